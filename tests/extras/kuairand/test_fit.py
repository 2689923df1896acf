"""Logs without scores become logs with scores that the daily job reads."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.extract.stage import extract_day
from mtmd.extras.kuairand.fit import fit_teacher
from mtmd.extras.kuairand.rows import TeacherConfig
from mtmd.extras.kuairand.written import TaughtLogs
from mtmd.logs.source import LogSource
from tests.conftest import FIRST_DAY, TINY

TASKS = ("ctr", "gctr", "octr")
QUICK = TeacherConfig(hidden=8, width=2, batch_rows=64, members=1, least_rows=50)


def quick(output: Path, logs: Path, preset: str = TINY, **given: Any) -> TaughtLogs:
    return fit_teacher(preset, output, logs=str(logs), teacher=QUICK, **given)


def rewrite(logs: Path, day: date, change: Any) -> None:
    (file,) = LogSource(logs).day_files("candidates", day)
    pq.write_table(change(pq.read_table(file, partitioning=None)), file)


def candidates(logs: Path, day: date) -> pa.Table:
    table = pq.read_table(logs / "candidates" / f"date={day}", partitioning=None)
    return table.sort_by([("request_id", "ascending"), ("ad_id", "ascending")])


@pytest.fixture(scope="module")
def bare(tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of 640 candidates without scores; read-only."""
    folder = tmp_path_factory.mktemp("bare")
    for day in (FIRST_DAY + timedelta(days=n) for n in range(4)):
        for table in ("requests", "ads", "candidates"):
            shutil.copytree(tiny_logs / table / f"date={day}", folder / table / f"date={day}")
        rewrite(folder, day, lambda table: table.drop_columns([*TASKS]))
    return folder


@pytest.fixture(scope="module")
def fitted(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TaughtLogs, Path]:
    output = tmp_path_factory.mktemp("fitted") / "logs"
    return quick(output, bare), output


def test_the_daily_job_can_read_what_is_written(
    fitted: tuple[TaughtLogs, Path], bare: Path, tmp_path: Path
) -> None:
    report, output = fitted
    assert LogSource(output).available_days() == report.days
    assert (*report.only_taught, *report.days) == LogSource(bare).available_days()
    assert len(report.only_taught) == 1
    declarations = load_preset(TINY).declarations
    for day in report.days:
        extract_day(LogSource(output), day, declarations, tmp_path)
        table, source = candidates(output, day), candidates(bare, day)
        assert table.drop_columns([*TASKS]).select(source.column_names).equals(source)
        ads = pq.read_table(output / "ads" / f"date={day}", partitioning=None).select(["ad_id", "product"])
        shopping = table.join(ads, "ad_id").sort_by([("request_id", "ascending"), ("ad_id", "ascending")])
        assert table["octr"].is_null().to_pylist() == [
            name == "shopping" for name in shopping["product"].to_pylist()
        ]
        ctr, gctr = table["ctr"].to_numpy(), table["gctr"].to_numpy()
        assert ((gctr > 0) & (gctr <= ctr) & (ctr < 1)).all()


def test_days_that_the_preset_leaves_out_are_not_read(tiny_logs: Path, tmp_path: Path) -> None:
    preset = tmp_path / "p.toml"
    preset.write_text('base = "tiny"\nname = "p"\n[left_out]\n2026-01-02 = "clicks were lost"\n')
    report = quick(tmp_path / "output", tiny_logs, str(preset), last_day=date(2026, 1, 5))
    assert [day.day for day in (*report.only_taught, *report.days)] == [1, 3, 4, 5]


def test_a_task_that_is_named_as_a_label_is_refused(tmp_path: Path) -> None:
    text = Path("mtmd/config/presets/tiny.toml").read_text()
    (tmp_path / "p.toml").write_text(text.replace('label = "clicked"', 'label = "ctr"'))
    with pytest.raises(ConfigError, match="task ctr has the name of a label, which its score would replace"):
        quick(tmp_path / "output", tmp_path, str(tmp_path / "p.toml"))


def test_the_folder_of_the_logs_is_no_output(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bare)
    for place in (bare, tmp_path / "link", tmp_path / ".." / tmp_path.name / "link"):
        with pytest.raises(ConfigError, match=r"output .* is the folder of the logs themselves"):
            quick(place, bare)


def test_days_that_are_not_there_are_refused(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(
        LogsError, match=r"no day from 2026-02-01 to .*; days there: 2026-01-01 to 2026-01-04"
    ):
        quick(tmp_path, bare, first_day=date(2026, 2, 1))
    with pytest.raises(LogsError, match=r"before 2026-01-04, the newest, have 0 rows that teach"):
        quick(tmp_path, bare, first_day=date(2026, 1, 4))
    assert not (tmp_path / "requests").exists()
    with pytest.raises(LogsError, match=r"no day from .*; days there: none"):
        quick(tmp_path, tmp_path / "nothing")


def test_columns_and_keys_are_those_of_the_contract(bare: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for change, words in (
        (lambda table: table.drop_columns(["clicked"]), r"clicked \(missing; must be BOOLEAN\)"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), r"candidates of .*: 622 of 623 rows"),
    ):
        shutil.copytree(bare, logs)
        rewrite(logs, FIRST_DAY, change)
        with pytest.raises(LogsError, match=words):
            quick(tmp_path / "output", logs)
        shutil.rmtree(logs)


def test_logs_that_change_meanwhile_are_refused(bare: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(bare, logs)
    second = FIRST_DAY + timedelta(days=1)  # the first that is written
    (file,) = LogSource(logs).day_files("ads", second)

    def touch(words: str) -> None:
        if words.startswith("teacher 1 of 1"):
            file.touch()

    with pytest.raises(LogsError, match=f"logs of {second} changed while they were read"):
        quick(tmp_path / "output", logs, on_progress=touch)
    assert LogSource(tmp_path / "output").available_days() == ()


def test_a_statement_that_gives_other_rows_each_time_is_refused(bare: Path, tmp_path: Path) -> None:
    for table in ("requests", "ads", "candidates"):
        (tmp_path / f"source_{table}.sql").write_text("from read_parquet($paths, hive_partitioning = false)")
    preset = tmp_path / "raw.toml"
    preset.write_text('base = "tiny"\nname = "raw"\nsql = "."\n')
    sample = "select * from read_parquet($paths, hive_partitioning = false) where impressed or random() < 0.5"
    (tmp_path / "source_candidates.sql").write_text(sample)
    with pytest.raises(LogsError, match="or their statements give other rows each time"):
        quick(tmp_path / "output", bare, str(preset))
