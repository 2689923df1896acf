"""A snapshot is the shard's ads, read without the rest of the day."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.snapshot import day_bids, read_ads
from mtmd.extract.stage import extract_day
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


def test_bids_are_in_the_order_of_the_shard(
    logs: Path, tmp_path: Path, declarations: Declarations, day: dict, write: Callable[..., Path]
) -> None:
    """Standard 7 and 9, then shopping 5, whose bid is unknown, and 6."""
    for row in day["ads"]:
        row["bid"] = None if row["ad_id"] == 5 else row["ad_id"] / 2
    write(logs, "ads", DAY, day["ads"])
    shard = open_shard(Path(extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards").path))
    bids = day_bids(LogSource(logs), shard, declarations, tmp_path / "digests")
    assert bids.dtype == np.float32
    np.testing.assert_array_equal(bids, [3.5, 4.5, np.nan, 3.0])


def test_bids_of_another_snapshot_than_the_shards_are_refused(
    logs: Path,
    tmp_path: Path,
    declarations: Declarations,
    shard: Shard,
    day: dict,
    write: Callable[..., Path],
) -> None:
    day["ads"][1] |= {"bid": 8.0}
    write(logs, "ads", DAY, day["ads"])
    with pytest.raises(
        LogsError, match=r"ads of 2026-03-01 changed after .* was extracted.* run the day again"
    ):
        day_bids(LogSource(logs), shard, declarations, tmp_path / "digests")


def test_files_that_change_meanwhile_are_noticed(
    logs: Path, declarations: Declarations, write: Callable[..., Path], day: dict
) -> None:
    reading = read_ads(LogSource(logs), DAY, declarations)
    next(reading)
    write(logs, "ads", DAY, day["ads"])
    with pytest.raises(LogsError, match="ads of 2026-03-01 changed while they were read"):
        list(reading)
