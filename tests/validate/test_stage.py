"""A day is validated once per content and once more where more earlier days are there; one that failed, again."""

import shutil
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mtmd.config import Preset
from mtmd.errors import LogsError, ValidationError
from mtmd.extract import stage as extract_stage
from mtmd.report import stages, view
from mtmd.report.document import markdown
from mtmd.run import RunPlan, plan_window
from mtmd.validate import stage
from mtmd.validate.results import DayValidation
from mtmd.validate.runner import require
from tests.conftest import FIRST_DAY

DAYS, COMPARED = 3, 2  # of a window; earlier days that a day is to be compared with
NEWEST = FIRST_DAY + timedelta(days=DAYS)


def after(days: int) -> date:
    return NEWEST + timedelta(days=days)


@dataclass
class Line:
    """Runs of real logs, of which a test makes days wrong."""

    preset: Preset
    place: Path
    judged: list[date] = field(default_factory=list)

    def plan(self, as_of: date = NEWEST) -> RunPlan:
        places = {"logs": str(self.place / "logs"), "artifacts": str(self.place / "artifacts")}
        return RunPlan(as_of=as_of, days=plan_window(as_of, DAYS), preset=self.preset, **places)

    def run(self, as_of: date = NEWEST) -> stage.DataQuality:
        """The run of a day; `judged` has the days whose suites it ran."""
        quality = stage.validate(self.plan(as_of))
        self.judged = [one.day for one in quality.days if one.day not in quality.reused]
        return quality

    def with_data(self, **changes: Any) -> "Line":
        data = self.preset.data.model_copy(update=changes)
        return Line(self.preset.model_copy(update={"data": data}), self.place)

    def file(self, table: str, day: date) -> Path:
        (file,) = (self.place / f"logs/{table}/date={day}").iterdir()
        return file

    def rewrite(self, table: str, query: str, day: date = NEWEST) -> None:
        file, new = self.file(table, day), self.place / "new"
        rows = f"read_parquet('{file}', hive_partitioning = false)"
        duckdb.sql(f"copy ({query.format(rows=rows)}) to '{new}' (format parquet)")
        shutil.move(new, file)

    def spoil(self, day: date) -> None:
        """A quarter of each score."""
        columns = ", ".join(f"({task} / 4)::float as {task}" for task in self.preset.domains.task_names)
        self.rewrite("candidates", f"select * replace ({columns}) from {{rows}}", day)

    def record(self, day: date) -> str:
        """The name of the place where a pass of the day is stored."""
        plan = self.plan(day)
        return stage.day_record(plan, day, stage.day_sources(plan, day)).name


@pytest.fixture
def line(tiny_logs: Path, tmp_path: Path, tiny_preset: Preset) -> Line:
    for table in ("requests", "ads", "candidates"):
        for number in range(3 * DAYS):
            name = f"{table}/date={FIRST_DAY + timedelta(days=number)}"
            shutil.copytree(tiny_logs / name, tmp_path / "logs" / name)
    changed = {"window_days": DAYS, "min_window_days": DAYS}
    return Line(tiny_preset.model_copy(update=changed), tmp_path).with_data(min_trailing_days=COMPARED)


def test_windows_that_follow_each_other_judge_their_new_day_only(line: Line) -> None:
    first = line.run()
    assert first.passed
    assert [one.day for one in first.days] == list(line.plan().all_days)
    for number in range(1, DAYS + 3):
        assert line.run(after(number)).passed
        assert line.judged == [after(number)]
    for number in range(DAYS + 3):
        again = line.run(after(number))
        assert len(again.reused) == DAYS + 1
        assert again.window is not None


def test_a_day_that_failed_names_the_expectation_and_is_not_taken_for_done(line: Line) -> None:
    line.run()
    line.rewrite("requests", "from {rows} union all (from {rows} limit 2)")
    for _ in range(2):
        quality = line.run()
        assert (quality.passed, quality.window, line.judged) == (False, None, [NEWEST])
    with pytest.raises(ValidationError, match=rf"{NEWEST}(.|\n)*request_id_unique: 2 unexpected"):
        require(*quality.validations)
    assert ": stops the run; " in markdown(view.of_stage(line.plan(), stages.data(quality)))


def test_a_day_that_passed_as_the_first_of_a_window_is_judged_again_in_its_own_run(line: Line) -> None:
    """The newest day first, as a backfill may go: then the faulty day is the window's first one."""
    line.spoil(NEWEST)
    for _ in range(2):
        assert line.run(after(DAYS)).days[0].passed  # compared with nothing, which its own run does not take
        assert {one.day for one in line.run().days if not one.passed} == {NEWEST}


def test_a_day_that_failed_is_judged_again_where_as_many_earlier_days_are_there(line: Line) -> None:
    """It failed beside earlier days that were corrected since."""
    earlier = line.plan().days
    kept = {day: line.file("candidates", day).read_bytes() for day in earlier}
    for day in earlier:
        line.spoil(day)
    assert not line.run().passed
    for day, content in kept.items():
        line.file("candidates", day).write_bytes(content)
    assert line.run(after(1)).passed
    assert line.judged == [*earlier[1:], NEWEST, after(1)]
    assert line.run().passed
    assert line.judged == list(earlier)


def test_passes_are_told_apart_by_limits_and_by_whether_the_day_is_accepted(line: Line) -> None:
    assert line.record(NEWEST) != line.with_data(min_domain_rows=100_000).record(NEWEST)
    other = line.with_data(accepted={NEWEST: "a new teacher"})
    assert [n for n in range(-1, 3) if line.record(after(n)) != other.record(after(n))] == [0]


def test_files_that_changed_after_validation_are_not_extracted(line: Line) -> None:
    plan, quality = line.plan(), line.run()
    assert not extract_stage.extract(plan, NEWEST, quality.sources[-1]).reused
    line.rewrite("requests", "from {rows} order by request_id desc")
    with pytest.raises(LogsError, match=f"logs of {NEWEST} changed after they were validated"):
        extract_stage.extract(plan, NEWEST, quality.sources[-1])


def test_files_that_change_while_they_are_validated_stop_the_run(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stage.validate_day

    def slow(*arguments: Any) -> DayValidation:
        result = real(*arguments)
        line.rewrite("requests", "from {rows} limit 50", FIRST_DAY)
        return result

    monkeypatch.setattr(stage, "validate_day", slow)
    with pytest.raises(LogsError, match=f"logs of {FIRST_DAY} changed while they were validated"):
        line.run()
    assert not line.plan().workspace.validation(FIRST_DAY).exists()


def test_a_day_that_is_left_out_is_neither_read_nor_compared_with(line: Line) -> None:
    gone = line.plan().days[-1]
    for table in ("requests", "ads", "candidates"):
        line.file(table, gone).write_bytes(b"half a fi")
    plan = line.plan()
    preset = line.preset.model_copy(update={"left_out": {gone: "the disk was full"}})
    without = plan.model_copy(update={"preset": preset, "days": plan.days[:-1], "left_out": preset.left_out})
    quality = stage.validate(without)
    require(*quality.validations)
    assert [one.day for one in quality.days] == [*plan.days[:-1], NEWEST]
    assert f"without {gone} (the disk was full)" in markdown(view.of_stage(without, stages.data(quality)))
    with pytest.raises(LogsError, match=str(gone)):
        line.run()
