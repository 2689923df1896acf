"""Logs without scores become logs with scores that the daily job reads."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.extract.stage import extract_day
from mtmd.extras.kuairand.day_store import DayStore
from mtmd.extras.kuairand.fit import TeacherFitReport, TeacherFitSettings, fit_teacher
from mtmd.extras.kuairand.teacher.rows import TeacherConfig
from mtmd.logs.files import available_days, day_files
from mtmd.logs.source import LogSource
from mtmd.store.files import read_json
from tests.conftest import FIRST_DAY, TINY

TASKS = ("ctr", "gctr", "octr")
QUICK = TeacherConfig(
    hidden=8, width=2, batch_rows=64, members=1, least_members=1, max_epochs=1, start_at_rates=True
)
TEXT_IDS = """
base = "tiny"
name = "text"
[ids]
request = "VARCHAR"
user = "VARCHAR"
ad = "VARCHAR"
[domains]
surfaces = ["feed", "search"]
products = ["pin", "shop"]
tasks = [
  { name = "ctr", label = "clicked" },
  { name = "cvr", label = "bought", parent = "ctr", products = ["shop"] },
  { name = "kept", label = "not_returned", parent = "cvr", products = ["shop"] },
]
[model]
emb_deep = 4
[training.loss_weights]
cvr = 1.0
kept = 1.0
[[features]]
name = "user_id"
side = "query"
kind = "categorical"
buckets = 10
shallow = true
[[features]]
name = "taste"
side = "query"
kind = "embedding"
width = 2
[[features]]
name = "age"
side = "query"
kind = "continuous"
[[features]]
name = "brand"
side = "item"
kind = "categorical"
buckets = 10
shallow = true
[[features]]
name = "look"
side = "item"
kind = "embedding"
width = 2
[[features]]
name = "price"
side = "item"
kind = "continuous"
"""  # as in tests/teacher/logs.py


def days_without_scores(logs: Path, folder: Path, days: int) -> Path:
    """The first days of some logs, whose candidates lack the scores."""
    for day in (FIRST_DAY + timedelta(days=n) for n in range(days)):
        for table in ("requests", "ads", "candidates"):
            shutil.copytree(logs / table / f"date={day}", folder / table / f"date={day}")
        for file in day_files(folder, "candidates", day):
            pq.write_table(pq.read_table(file, partitioning=None).drop_columns([*TASKS]), file)
    return folder


def quick(output: Path, logs: Path, preset: str = TINY, **changes: Any) -> TeacherFitReport:
    return fit_teacher(preset, output, TeacherFitSettings(**({"teacher": QUICK} | changes)), logs=str(logs))


def candidates(logs: Path, day: date) -> pa.Table:
    table = pq.read_table(logs / "candidates" / f"date={day}", partitioning=None)
    return table.sort_by([("request_id", "ascending"), ("ad_id", "ascending")])


@pytest.fixture(scope="module")
def bare(tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of 640 candidates; read-only."""
    return days_without_scores(tiny_logs, tmp_path_factory.mktemp("bare"), 4)


@pytest.fixture(scope="module")
def fitted(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TeacherFitReport, Path]:
    output = tmp_path_factory.mktemp("fitted") / "logs"
    return quick(output, bare), output


def test_the_daily_job_can_read_what_is_written(
    fitted: tuple[TeacherFitReport, Path], bare: Path, tmp_path: Path
) -> None:
    report, output = fitted
    assert available_days(output) == report.days == available_days(bare)
    declarations = load_preset(TINY).declarations
    for day in report.days:
        extract_day(LogSource(output), day, declarations, tmp_path)
        table, source = candidates(output, day), candidates(bare, day)
        assert table.drop_columns([*TASKS]).select(source.column_names).equals(source)
        product = pq.read_table(output / "ads" / f"date={day}", partitioning=None).select(
            ["ad_id", "product"]
        )
        shopping = table.join(product, "ad_id").sort_by([("request_id", "ascending"), ("ad_id", "ascending")])
        assert table["octr"].is_null().to_pylist() == [
            name == "shopping" for name in shopping["product"].to_pylist()
        ]
        ctr, gctr = table["ctr"].to_numpy(), table["gctr"].to_numpy()
        assert ((gctr > 0) & (gctr <= ctr) & (ctr < 1)).all()


def test_the_report_says_what_was_done(fitted: tuple[TeacherFitReport, Path], bare: Path) -> None:
    report, output = fitted
    assert (report.output, report.reused, report.members, report.epochs, report.blocks) == (
        str(output), False, 1, 1, 2,
    )  # fmt: skip
    assert report.newest_days == (date(2026, 1, 3), date(2026, 1, 4))
    tables = [candidates(bare, day) for day in report.days]
    assert report.candidates == sum(table.num_rows for table in tables)
    assert report.shown == sum(table["impressed"].to_pylist().count(True) for table in tables)
    everywhere = [one for one in report.quality if one.task == "ctr" and one.surface == "all"]
    assert sum(one.rows for one in everywhere) == report.shown
    assert report.row_bytes > 500


def test_the_same_fit_is_reused_and_another_one_replaces_it(bare: Path, tmp_path: Path) -> None:
    first = quick(tmp_path, bare)
    # above a volume that is mounted, only root may write
    assert [path.name for path in tmp_path.parent.glob(f"*{tmp_path.name}*")] == [tmp_path.name]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    said: list[str] = []
    settings = TeacherFitSettings(teacher=QUICK, memory_gib=1.0)
    again = fit_teacher(TINY, tmp_path, settings, logs=str(bare), on_progress=said.append)
    assert again == first.model_copy(update={"reused": True})
    assert said == [f"{tmp_path} has this fit already, 2026-01-01 to 2026-01-04: reused, nothing written"]
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert quick(moved, bare) == first.model_copy(update={"reused": True, "output": str(moved)})
    moved.rename(tmp_path)
    assert not quick(tmp_path, bare, seed=1).reused


def test_scores_that_the_logs_have_are_not_read(
    fitted: tuple[TeacherFitReport, Path], tiny_logs: Path, tmp_path: Path
) -> None:
    report, output = fitted
    last = report.days[-1]
    quick(tmp_path, tiny_logs, last_day=last)
    assert candidates(tmp_path, last).equals(candidates(output, last))


def test_days_that_the_preset_leaves_out_are_not_read(tiny_logs: Path, tmp_path: Path) -> None:
    preset = tmp_path / "p.toml"
    preset.write_text('base = "tiny"\nname = "p"\n[left_out]\n2026-01-02 = "clicks were lost"\n')
    report = quick(tmp_path / "output", tiny_logs, str(preset), last_day=date(2026, 1, 5))
    assert [day.day for day in report.days] == [1, 3, 4, 5]


def test_folders_that_must_not_be_written_are_refused(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"output .* is the folder of the logs themselves"):
        quick(bare, bare)
    (tmp_path / "link").symlink_to(bare)
    for place in (tmp_path / "link", tmp_path / ".." / tmp_path.name / "link"):
        with pytest.raises(ConfigError, match=r"output .* is the folder of the logs themselves"):
            quick(place, bare)
    (tmp_path / "ads").mkdir()
    with pytest.raises(LogsError, match=r"holds \['ads'\] without fit-teacher.json"):
        quick(tmp_path, bare)
    assert not (tmp_path / ".lock").exists()


def test_days_that_are_not_there_are_refused(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(
        LogsError, match=r"no day from 2026-02-01 to .*; days there: 2026-01-01 to 2026-01-04"
    ):
        quick(tmp_path, bare, first_day=date(2026, 2, 1))
    with pytest.raises(LogsError, match=r"cover 2 days; .* at least 4"):
        quick(tmp_path, bare, first_day=date(2026, 1, 3))
    assert not (tmp_path / "requests").exists()
    with pytest.raises(LogsError, match=r"no day from .*; days there: none"):
        quick(tmp_path, tmp_path / "nothing")


def test_logs_that_change_meanwhile_are_refused(bare: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(bare, logs)
    file = day_files(logs, "ads", FIRST_DAY)[0]

    def touch(words: str) -> None:
        if words.startswith("wrote"):
            file.touch()

    settings = TeacherFitSettings(teacher=QUICK)
    with pytest.raises(LogsError, match=r"changed while they were read"):
        fit_teacher(TINY, tmp_path / "output", settings, logs=str(logs), on_progress=touch)
    assert read_json(tmp_path / "output" / "fit-teacher.json")["report"] is None
    assert available_days(tmp_path / "output") == ()


def test_a_statement_that_gives_other_rows_each_time_is_refused(bare: Path, tmp_path: Path) -> None:
    for table in ("requests", "ads", "candidates"):
        (tmp_path / f"source_{table}.sql").write_text("from read_parquet($paths, hive_partitioning = false)")
    preset = tmp_path / "raw.toml"
    preset.write_text('base = "tiny"\nname = "raw"\nsql = "."\n')
    sample = "select * from read_parquet($paths, hive_partitioning = false) where impressed or random() < 0.5"
    (tmp_path / "source_candidates.sql").write_text(sample)
    with pytest.raises(LogsError, match=r"candidates of 2026-01-0\d had \d+ rows at first and \d+ later"):
        quick(tmp_path / "output", bare, str(preset))


def test_two_fits_of_one_folder_do_not_mix_their_days(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one is started while the first one writes."""
    output, write = tmp_path / "logs", DayStore.write
    second = Thread(target=lambda: quick(output, bare, seed=1))

    def interrupted(store: DayStore[TeacherFitReport], day: date, tables: dict[str, pa.Table]) -> None:
        write(store, day, tables)
        if second.ident is None:
            second.start()
            second.join(timeout=2)  # where nothing holds it, it is done long before

    monkeypatch.setattr(DayStore, "write", interrupted)
    quick(output, bare)
    second.join()
    alone = quick(tmp_path / "alone", bare, seed=1)
    assert read_json(output / "fit-teacher.json")["identity"] == alone.identity
    for day in alone.days:
        assert candidates(output, day).equals(candidates(tmp_path / "alone", day))
