"""A validation that was compared with more earlier days decides; one that was compared with fewer is not taken."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mtmd.config import Preset
from mtmd.jobs.backfill import _Seen, _unvalidated
from mtmd.run import RunPlan, plan_window
from mtmd.store.files import write_json
from mtmd.store.outputs import read_record
from mtmd.validate import stage
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Status, WindowValidation
from mtmd.validate.stored import keep
from mtmd.validate.suites import NO_EARLIER_DAY
from tests.conftest import FIRST_DAY

DAYS = 7
FAULTY = date(2026, 1, 9)


def result(status: Status, message: str | None = None) -> ExpectationResult:
    return ExpectationResult(
        table="candidates", name="mean_scores_steady", description="d", status=status, message=message
    )


def validated(day: date, status: Status, compared: int | None = None) -> DayValidation:
    profile = DayProfile(day=day, domains=(), null_rates=(), digests={})
    message = NO_EARLIER_DAY if status is Status.SKIPPED else None
    return DayValidation(day=day, results=(result(status, message),), profile=profile, compared=compared)


@dataclass
class Line:
    """Days of which one is faulty; that is seen where `min_trailing_days` earlier days are there to compare with."""

    preset: Preset
    place: Path
    judged: list[date] = field(default_factory=list)
    faulty: set[date] = field(default_factory=lambda: {FAULTY})

    def judge(
        self, source: Any, day: date, preset: Preset, trailing: Sequence[DayProfile], one_pass: Any
    ) -> DayValidation:
        self.judged.append(day)
        seen = len(trailing) >= preset.data.min_trailing_days and day in self.faulty
        return validated(day, Status.FAILED if seen else Status.PASSED if trailing else Status.SKIPPED)

    def plan(self, as_of: date) -> RunPlan:
        return RunPlan(
            as_of=as_of,
            days=plan_window(as_of, DAYS),
            preset=self.preset,
            logs="logs",
            artifacts=str(self.place),
        )

    def run(self, as_of: date) -> stage.DataQuality:
        """The run of a day; `judged` has the days whose suites it ran."""
        self.judged.clear()
        return stage.validate(self.plan(as_of))

    def record(self, day: date) -> Path:
        return stage.day_record(self.plan(day), day, {})


@pytest.fixture
def line(tiny_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    found = Line(tiny_preset, tmp_path)

    def window(plan: RunPlan, profiles: Sequence[DayProfile]) -> WindowValidation:
        return WindowValidation(first=profiles[0].day, last=profiles[-1].day, results=())

    monkeypatch.setattr(stage, "validate_day", found.judge)
    monkeypatch.setattr(stage, "_validated_window", window)
    monkeypatch.setattr(stage, "all_sources", lambda plan: [{} for _ in plan.all_days])
    monkeypatch.setattr(stage, "day_sources", lambda plan, day: {})
    return found


def after(days: int) -> date:
    return FAULTY + timedelta(days=days)


def test_a_day_that_passed_as_the_first_of_a_window_is_judged_again_in_its_own_run(line: Line) -> None:
    assert line.run(after(DAYS)).passed
    assert not line.run(FAULTY).passed
    assert line.run(after(DAYS)).passed
    assert not line.run(FAULTY).passed


def test_windows_that_follow_each_other_judge_their_new_day_only(line: Line) -> None:
    line.faulty.clear()
    first = after(0)
    assert line.run(first).passed
    assert line.judged == list(line.plan(first).all_days)
    for number in range(1, DAYS + 3):
        assert line.run(after(number)).passed
        assert line.judged == [after(number)]
    for number in range(DAYS + 3):
        assert len(line.run(after(number)).reused) == DAYS + 1


def test_a_day_that_failed_is_judged_again_where_as_many_earlier_days_are_there(line: Line) -> None:
    """It failed beside an earlier day that was corrected since."""
    assert not line.run(FAULTY).passed
    line.faulty.clear()
    assert line.run(after(1)).passed
    assert line.judged == [FAULTY, after(1)]
    assert line.run(FAULTY).passed
    assert line.judged == []


@pytest.mark.parametrize(("status", "passed"), [(Status.PASSED, True), (Status.SKIPPED, False)])
def test_a_record_of_an_older_version_says_only_whether_there_was_an_earlier_day(
    line: Line, status: Status, passed: bool
) -> None:
    old = validated(FAULTY, status).model_dump(mode="json")
    assert "compared" not in old
    write_json(line.record(FAULTY), old, seal=True)
    assert line.run(FAULTY).passed is passed


def test_a_record_is_not_lost_to_one_that_is_worth_less(line: Line) -> None:
    """Two runs judged the day at the same time."""
    place, limits = line.record(FAULTY), line.preset.data
    better = validated(FAULTY, Status.PASSED, compared=limits.min_trailing_days)
    keep(place, better, limits)
    keep(place, validated(FAULTY, Status.PASSED, compared=limits.min_trailing_days - 1), limits)
    assert read_record(place, DayValidation) == better
    more = validated(FAULTY, Status.PASSED, compared=limits.min_trailing_days + 1)
    keep(place, more, limits)
    assert read_record(place, DayValidation) == more


def test_a_backfill_counts_the_days_that_a_run_would_judge(line: Line) -> None:
    sources: dict[date, stage.Sources] = {after(number): {} for number in range(-2 * DAYS, DAYS + 1)}
    for as_of in (after(DAYS), FAULTY, after(DAYS), after(DAYS - 2)):
        expected = _unvalidated(line.plan(as_of), _Seen(sources=sources))
        line.run(as_of)
        assert expected == len(line.judged)


def test_real_logs_of_which_one_day_has_a_quarter_of_its_scores(
    tiny_logs: Path, tmp_path: Path, tiny_preset: Preset
) -> None:
    """The newest day first, as a backfill may go: then the faulty day is the window's first one."""
    logs, day = tmp_path / "logs", FIRST_DAY + timedelta(days=DAYS)
    last = day + timedelta(days=DAYS)
    for table in ("requests", "ads", "candidates"):
        for number in range(2 * DAYS + 1):
            name = f"{table}/date={FIRST_DAY + timedelta(days=number)}"
            shutil.copytree(tiny_logs / name, logs / name)
    (file,) = (logs / f"candidates/date={day}").iterdir()
    columns = ", ".join(f"({task} / 4)::float as {task}" for task in tiny_preset.domains.task_names)
    rows = f"read_parquet('{file}', hive_partitioning = false)"
    duckdb.sql(f"copy (select * replace ({columns}) from {rows}) to '{tmp_path / 'x'}' (format parquet)")
    shutil.move(tmp_path / "x", file)
    preset = tiny_preset.model_copy(update={"window_days": DAYS, "min_window_days": DAYS})

    def run(as_of: date) -> stage.DataQuality:
        days, places = plan_window(as_of, DAYS), {"logs": str(logs), "artifacts": str(tmp_path / "artifacts")}
        return stage.validate(RunPlan(as_of=as_of, days=days, preset=preset, **places))

    def failed(quality: stage.DataQuality) -> set[date]:
        return {one.day for one in quality.days if not one.passed}

    assert run(last).days[0].passed
    for _ in range(2):
        assert failed(run(day)) == {day}
        assert run(last).days[0].passed  # compared with nothing, which its own run does not take
