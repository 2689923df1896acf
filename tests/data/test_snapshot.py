"""A snapshot is the shard's ads, read without the rest of the day."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.data import Shard, ads_digests, read_ads
from mtmd.data.shards import read_manifest
from mtmd.errors import LogsError
from tests.data.conftest import SCHEMAS

DAY = date(2026, 3, 1)


def test_ads_are_those_of_the_shard_with_their_bids(
    logs: Path, tmp_path: Path, declarations: Declarations, shard: Shard
) -> None:
    for table in ("requests", "candidates"):  # they need not be there
        shutil.rmtree(logs / table)
    parts = list(read_ads(logs, DAY, declarations))
    assert [part.product for part in parts] == ["standard", "shopping"]
    np.testing.assert_array_equal(np.concatenate([part.ad_id for part in parts]), shard.ad_id.numpy())
    for name in ("continuous", "categorical", "embedding"):
        own = np.concatenate([getattr(part.rows, name) for part in parts])
        np.testing.assert_array_equal(own, getattr(shard.item, name).numpy())
    bids = {int(key): float(bid) for part in parts for key, bid in zip(part.ad_id, part.bid, strict=True)}
    assert {key: bid for key, bid in bids.items() if key != 5} == {6: 1.5, 7: 1.5, 9: 1.5}
    assert np.isnan(bids[5])


def test_the_digests_are_those_of_the_shards_manifest(logs: Path, tmp_path: Path, shard: Shard) -> None:
    assert ads_digests(logs, DAY, tmp_path / "digests") == read_manifest(shard.path).sources["ads"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ad_id": 7}, "3 of 4 rows have an ad_id of their own"),
        ({"product": "video"}, r"3 of 4 rows .* a product of \['standard', 'shopping'\]"),
    ],
)
def test_keys_that_are_not_sound_are_refused(
    logs: Path, declarations: Declarations, day: dict, write: Callable[..., Path], change: dict, message: str
) -> None:
    day["ads"][1] |= change
    write(logs, "ads", DAY, day["ads"])
    with pytest.raises(LogsError, match=message):
        list(read_ads(logs, DAY, declarations))


def test_a_missing_column_is_named(
    logs: Path, declarations: Declarations, write: Callable[..., Path], day: dict
) -> None:
    kept = SCHEMAS["ads"].remove(SCHEMAS["ads"].get_field_index("bid"))
    write(logs, "ads", DAY, [{name: row[name] for name in kept.names} for row in day["ads"]], schema=kept)
    with pytest.raises(LogsError, match="lacks bid FLOAT"):
        list(read_ads(logs, DAY, declarations))


def test_a_day_that_is_not_there_is_named(logs: Path, declarations: Declarations) -> None:
    with pytest.raises(LogsError, match=r"ads of 2026-05-01: .* does not exist"):
        list(read_ads(logs, date(2026, 5, 1), declarations))


def test_files_that_change_meanwhile_are_noticed(
    logs: Path, declarations: Declarations, write: Callable[..., Path], day: dict
) -> None:
    reading = read_ads(logs, DAY, declarations)
    next(reading)
    write(logs, "ads", DAY, day["ads"])
    with pytest.raises(LogsError, match="ads of 2026-03-01 changed while they were read"):
        list(reading)
