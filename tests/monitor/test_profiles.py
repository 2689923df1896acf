"""Counts of a day's features, and the PSI between days."""

import math
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from mtmd.config import Declarations, Preset
from mtmd.errors import LogsError
from mtmd.logs.source import LogSource
from mtmd.monitor.profiles import feature_shifts, profile_features

FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)


def _rows(path: Path, where: str) -> list[tuple[int | None, int]]:
    found = duckdb.sql(f"select bin, bin_rows from '{path}' where {where} order by bin").fetchall()
    return [(place, count) for place, count in found]


def test_a_day_is_counted_once_and_every_row_of_a_domain_has_a_bin(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path
) -> None:
    path = profile_features(LogSource(tiny_logs), FIRST, tiny_preset.declarations, tmp_path)
    written = path.stat().st_mtime_ns
    assert (
        profile_features(LogSource(tiny_logs), FIRST, tiny_preset.declarations, tmp_path).stat().st_mtime_ns
        == written
    )
    requests = f"'{tiny_logs}/requests/date={FIRST}/*.parquet'"
    ((searches,),) = duckdb.sql(f"select count(*) from {requests} where surface = 'search'").fetchall()
    for feature in ("country", "user_activity", "query_vector"):
        assert sum(n for _, n in _rows(path, f"feature = '{feature}' and domain = 'search'")) == searches
    assert _rows(path, "feature = 'query_vector' and domain = 'home_feed'") == []  # search alone has it
    names = {name for (name,) in duckdb.sql(f"select distinct feature from '{path}'").fetchall()}
    assert names == {feature.name for feature in tiny_preset.features}


def _profile(folder: Path, day: date, kind: str, counts: dict[int | None, int]) -> Path:
    """Of one feature of one domain, from the rows of each bin."""
    path = folder / f"{day}.parquet"
    rows = ", ".join(
        f"(date '{day}', 'query', 'f', '{kind}', 'd', {'null' if b is None else b}::int, {n}::bigint)"
        for b, n in counts.items()
    )
    duckdb.sql(
        f"copy (select * from (values {rows}) as t (day, side, feature, kind, domain, bin, bin_rows)) to '{path}'"
    )
    return path


@pytest.mark.parametrize(
    ("before", "now"),
    [
        # Such as lengths of unit vectors.
        *(({5000: 100}, now) for now in (0, 5000 - 4, 5000 + 4, -5000, None)),
        ({0: 5, 5000: 95}, 0),  # a flag that was 1 on 19 of 20 rows, and is 0 on all
    ],
)
def test_a_number_that_was_nearly_always_the_same_is_seen_to_change(
    tmp_path: Path, before: dict[int | None, int], now: int | None
) -> None:
    profiles = {
        FIRST: _profile(tmp_path, FIRST, "continuous", before),
        SECOND: _profile(tmp_path, SECOND, "continuous", {now: 100}),
    }
    found = {one.day: one.psi for one in feature_shifts(profiles, SECOND)}
    assert found[SECOND] > 5.0
    assert found[FIRST] == pytest.approx(0.0)


def test_numbers_are_compared_in_tenths_of_the_training_days(tmp_path: Path) -> None:
    """Ten bins of ten rows are a tenth each; what is below them all, or above, counts with the nearest."""
    even: dict[int | None, int] = dict.fromkeys(range(10), 10)
    profiles = {
        FIRST: _profile(tmp_path, FIRST, "continuous", even),
        SECOND: _profile(tmp_path, SECOND, "continuous", {-7: 10, **dict.fromkeys(range(1, 9), 10), 42: 10}),
    }
    found = {one.day: one.psi for one in feature_shifts(profiles, SECOND)}
    assert found[SECOND] == pytest.approx(0.0)


def test_psi_is_as_computed_by_hand(tmp_path: Path) -> None:
    profiles = {
        FIRST: _profile(tmp_path, FIRST, "categorical", {1: 60, 2: 40}),
        SECOND: _profile(tmp_path, SECOND, "categorical", {1: 20, None: 20}),
    }
    found = {one.day: one for one in feature_shifts(profiles, SECOND)}
    p = [(n + 0.5) / (40 + 1.5) for n in (20, 0, 20)]
    q = [(n + 0.5) / (100 + 1.5) for n in (60, 40, 0)]
    expected = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert found[SECOND].psi == pytest.approx(expected)
    assert found[SECOND].rows == 40
    assert found[FIRST].psi == pytest.approx(0.0)


def test_a_day_that_lacks_a_column_or_a_table_is_named(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(tiny_logs / "requests" / f"date={FIRST}", logs / "requests" / f"date={FIRST}")
    with pytest.raises(LogsError, match=f"ads of {FIRST}: .* does not exist"):
        profile_features(LogSource(logs), FIRST, tiny_preset.declarations, tmp_path / "p")
    (logs / "ads" / f"date={FIRST}").mkdir(parents=True)
    duckdb.sql(f"copy (select 1 as ad_id, 'standard' as product) to '{logs}/ads/date={FIRST}/a.parquet'")
    with pytest.raises(LogsError, match=rf"ads of {FIRST}: .*a\.parquet .* price \(missing; must be FLOAT\)"):
        profile_features(LogSource(logs), FIRST, tiny_preset.declarations, tmp_path / "p")
    assert list((tmp_path / "p").rglob("*.parquet")) == []


def test_a_list_is_counted_by_its_values_and_its_length(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path
) -> None:
    topics = {"name": "topics", "side": "query", "kind": "categorical", "type": "INTEGER", "buckets": 50}
    content = tiny_preset.declarations.model_dump()
    content["features"] = [*content["features"], topics | {"kind": "multivalued", "max_length": 4}]
    logs, lists = tmp_path / "logs", {FIRST: "[1, 2]", SECOND: "[2, 1]", THIRD: "[7, 7, 7, 7, 7]"}
    for day, value in lists.items():
        shutil.copytree(tiny_logs / "ads" / f"date={FIRST}", logs / "ads" / f"date={day}")
        file = logs / "requests" / f"date={day}" / "part-0.parquet"
        file.parent.mkdir(parents=True)
        source = f"read_parquet('{tiny_logs}/requests/date={FIRST}/*.parquet', hive_partitioning = false)"
        empty = "case when user_id = 1 then null when user_id % 2 = 0 then []::integer[] else"
        duckdb.sql(f"copy (select *, {empty} {value} end as topics from {source}) to '{file}'")
    profiles = {
        day: profile_features(LogSource(logs), day, Declarations.model_validate(content), tmp_path / "p")
        for day in lists
    }
    ((rows, without),) = duckdb.sql(
        f"select count(*), count_if(len(topics) is null or len(topics) = 0) from '{file}' where surface = 'search'"
    ).fetchall()
    path = profiles[FIRST]
    values = dict(_rows(path, "feature = 'topics' and domain = 'search'"))
    assert values.pop(None) == without > 0
    assert list(values.values()) == [rows - without] * 2
    lengths = _rows(path, "feature = 'topics.length' and domain = 'search'")
    assert lengths == [(0, without), (5004, rows - without)]  # 4 quarters of an octave: 2
    psi = {(one.feature, one.domain, one.day): one.psi for one in feature_shifts(profiles, THIRD)}
    assert psi["topics", "search", SECOND] < 0.05
    assert psi["topics", "search", THIRD] > 1.0
    assert psi["topics.length", "search", THIRD] > 1.0
