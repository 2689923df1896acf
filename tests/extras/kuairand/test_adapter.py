"""An import writes the log contract, once, and says what it dropped."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.extras.kuairand.fit import import_kuairand
from mtmd.extras.kuairand.rows import EPOCH, TeacherConfig
from mtmd.extras.kuairand.source import map_exposures, read_source
from mtmd.extras.kuairand.written import TaughtLogs
from mtmd.logs.contract import table_columns
from mtmd.logs.source import LogSource

QUICK = TeacherConfig(hidden=8, width=2, batch_rows=32, members=1, least_rows=20)
FIRST = date(2022, 4, 19)  # that is written: the day before it only teaches


def run(source: Path, logs: Path, seed: int = 0, **given: Any) -> TaughtLogs:
    return import_kuairand(source, logs, seed=seed, teacher=QUICK, **given)


def table(logs: Path, name: str, day: date) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(LogSource(logs).day_files(name, day)[0]).to_pylist()
    return rows


@pytest.fixture
def source(made_up: Any) -> Path:
    """Five days of 40 random exposures, then one with three rows that are known."""
    known = made_up.midnight + 5 * made_up.day
    rows = [
        *made_up.random_rows(days=5, per_day=40),
        made_up.exposure(1, 101, known + 30, is_click=1, play_time_ms=40_000, is_hate=1),
        made_up.exposure(1, 100, known + 20, is_like=1),
        made_up.exposure(1, 100, known + 20, is_like=1),
        made_up.exposure(2, 102, known + 10, tab=5),
    ]
    folder: Path = made_up.write(rows)
    return folder


def test_every_day_satisfies_the_contract_and_can_be_extracted(source: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    report = run(source, logs, preset="kuairand")
    days = LogSource(logs).available_days()
    assert (days[0], days[-1], len(days)) == (FIRST, date(2022, 4, 23), 5)
    assert (report.only_taught, report.days) == ((date(2022, 4, 18),), days)
    assert [(one.task, one.rows) for one in report.tasks] == [
        (task, report.candidates) for task in ("ctr", "gctr", "octr")
    ]
    declarations = load_preset("kuairand").declarations
    for name, columns in table_columns(declarations).items():
        assert set(pq.read_schema(LogSource(logs).day_files(name, FIRST)[0]).names) == columns.keys()
    shards = [extract_day(LogSource(logs), day, declarations, tmp_path / "shards").path for day in days]
    assert sum(len(open_shard(Path(shard)).position) for shard in shards) == report.candidates


def test_the_known_day_is_written_as_it_happened(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path)
    day = date(2022, 4, 23)
    (request,) = table(tmp_path, "requests", day)
    assert (request["user_id"], request["surface"], request["hour"]) == (1, "tab_1", 8)
    assert request["ts"].isoformat() == "2022-04-23T00:00:00.020000"
    assert request["onehot_feat12"] is None
    candidates = sorted(table(tmp_path, "candidates", day), key=lambda row: row["position"])
    assert [(row["ad_id"], row["position"]) for row in candidates] == [(100, 0), (101, 1)]
    assert all(row["impressed"] and row["request_id"] == request["request_id"] for row in candidates)
    first, second = candidates
    assert (first["clicked"], first["good_clicked"], first["hidden"], first["repinned"]) == (
        False,
        False,
        False,
        True,
    )
    assert (second["clicked"], second["good_clicked"], second["hidden"]) == (True, True, True)
    assert 0 < second["gctr"] <= second["ctr"] < 1
    ads = {row["ad_id"]: row for row in table(tmp_path, "ads", day)}
    assert len(ads) == 12
    assert (ads[100]["product"], ads[101]["product"], ads[102]["product"]) == ("long_import", "web", "other")
    assert (ads[100]["tag"], ads[102]["tag"], ads[102]["tag_2"]) == (None, "7", "42")
    assert (ads[101]["goal"], ads[101]["bid"], ads[101]["age_days"]) == ("click", 1.0, 13.0)


def test_counts_are_of_earlier_days_only(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path)
    shown = map_exposures(read_source(source))
    for day in LogSource(tmp_path).available_days():
        earlier = shown.day < (day - EPOCH).days
        for row in table(tmp_path, "ads", day):
            assert row["ad_impressions"] == (earlier & (shown.video == row["ad_id"] - 100)).sum()
    (request,) = table(tmp_path, "requests", date(2022, 4, 23))
    clicked = shown.labels[earlier & (shown.user == request["user_id"]), 0]
    assert request["user_impressions"] == len(clicked)
    assert request["user_ctr"] == pytest.approx(clicked.mean())


@pytest.mark.parametrize(
    ("preset", "value", "words"),
    [
        ("tiny", "1.0", r"the preset declares \['country', .* of requests, which KuaiRand lacks"),
        ("kuairand", "0.5", r"declares onehot_feat4 of requests as int32, .* has double: .*0\.5"),
    ],
)
def test_what_does_not_fit_the_preset_is_refused_before_anything_is_removed(
    made_up: Any, source: Path, tmp_path: Path, preset: str, value: str, words: str
) -> None:
    logs, users = tmp_path / "logs", made_up.users(30)
    run(source, logs)
    users[3]["onehot_feat4"] = value
    made_up.write(made_up.random_rows(days=5, per_day=40), user_rows=users)
    said: list[str] = []
    with pytest.raises(ConfigError, match=words):
        run(source, logs, preset=preset, on_progress=said.append)
    assert len(said) == 1  # that it was read: no teacher was fitted
    assert LogSource(logs).available_days()[-1] == date(2022, 4, 23)
