"""A snapshot is the shard's ads, read without the rest of the day."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.shards import Shard
from mtmd.extract.sources import read_ads
from mtmd.logs.source import LogSource

DAY = date(2026, 3, 1)


def test_ads_are_those_of_the_shard_with_their_bids(
    logs: Path, tmp_path: Path, declarations: Declarations, shard: Shard
) -> None:
    for table in ("requests", "candidates"):  # they need not be there
        shutil.rmtree(logs / table)
    parts = list(read_ads(LogSource(logs), DAY, declarations))
    assert [part.product for part in parts] == ["standard", "shopping"]
    np.testing.assert_array_equal(np.concatenate([part.ad_id for part in parts]), shard.ad_id.numpy())
    for name in ("continuous", "categorical", "embedding"):
        own = np.concatenate([getattr(part.rows, name) for part in parts])
        np.testing.assert_array_equal(own, getattr(shard.item, name))
    bids = {int(key): float(bid) for part in parts for key, bid in zip(part.ad_id, part.bid, strict=True)}
    assert {key: bid for key, bid in bids.items() if key != 5} == {6: 1.5, 7: 1.5, 9: 1.5}
    assert np.isnan(bids[5])


def test_files_that_change_meanwhile_are_noticed(
    logs: Path, declarations: Declarations, write: Callable[..., Path], day: dict
) -> None:
    reading = read_ads(LogSource(logs), DAY, declarations)
    next(reading)
    write(logs, "ads", DAY, day["ads"])
    with pytest.raises(LogsError, match="ads of 2026-03-01 changed while they were read"):
        list(reading)
