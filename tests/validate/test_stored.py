"""A validation that was compared with more earlier days decides; one that was compared with fewer is not taken."""

import shutil
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from mtmd.config import Preset
from mtmd.jobs.backfill import _Seen, _unvalidated
from mtmd.run import RunPlan, plan_window
from mtmd.store.outputs import read_record
from mtmd.validate import stage
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Status
from mtmd.validate.stage import _keep
from tests.conftest import FIRST_DAY

DAYS, COMPARED = 3, 2  # of a window; earlier days that a day is to be compared with
FAULTY = FIRST_DAY + timedelta(days=DAYS)


def validated(day: date, compared: int) -> DayValidation:
    profile = DayProfile(day=day, domains=(), null_rates=(), digests={})
    result = ExpectationResult(
        table="candidates", name="mean_scores_steady", description="d", status=Status.PASSED
    )
    return DayValidation(day=day, results=(result,), profile=profile, compared=compared)


@dataclass
class Line:
    """Runs of real logs, of which a test makes days wrong."""

    preset: Preset
    place: Path
    judged: list[date] = field(default_factory=list)

    def plan(self, as_of: date) -> RunPlan:
        places = {"logs": str(self.place / "logs"), "artifacts": str(self.place / "artifacts")}
        return RunPlan(as_of=as_of, days=plan_window(as_of, DAYS), preset=self.preset, **places)

    def run(self, as_of: date) -> stage.DataQuality:
        """The run of a day; `judged` has the days whose suites it ran."""
        quality = stage.validate(self.plan(as_of))
        self.judged = [one.day for one in quality.days if one.day not in quality.reused]
        return quality

    def record(self, day: date) -> Path:
        return stage.day_record(self.plan(day), day, stage.day_sources(self.plan(day), day))

    def candidates(self, day: date) -> Path:
        (file,) = (self.place / f"logs/candidates/date={day}").iterdir()
        return file

    def spoil(self, day: date) -> None:
        """A quarter of each score."""
        file, new = self.candidates(day), self.place / "new"
        columns = ", ".join(f"({task} / 4)::float as {task}" for task in self.preset.domains.task_names)
        rows = f"read_parquet('{file}', hive_partitioning = false)"
        duckdb.sql(f"copy (select * replace ({columns}) from {rows}) to '{new}' (format parquet)")
        shutil.move(new, file)


@pytest.fixture
def sound(tiny_logs: Path, tmp_path: Path, tiny_preset: Preset) -> Line:
    for table in ("requests", "ads", "candidates"):
        for number in range(3 * DAYS):
            name = f"{table}/date={FIRST_DAY + timedelta(days=number)}"
            shutil.copytree(tiny_logs / name, tmp_path / "logs" / name)
    data = tiny_preset.data.model_copy(update={"min_trailing_days": COMPARED})
    changed = {"window_days": DAYS, "min_window_days": DAYS, "data": data}
    return Line(tiny_preset.model_copy(update=changed), tmp_path)


@pytest.fixture
def line(sound: Line) -> Line:
    sound.spoil(FAULTY)
    return sound


def after(days: int) -> date:
    return FAULTY + timedelta(days=days)


def test_a_day_that_passed_as_the_first_of_a_window_is_judged_again_in_its_own_run(line: Line) -> None:
    """The newest day first, as a backfill may go: then the faulty day is the window's first one."""
    for _ in range(2):
        assert line.run(after(DAYS)).days[0].passed  # compared with nothing, which its own run does not take
        assert {one.day for one in line.run(FAULTY).days if not one.passed} == {FAULTY}


def test_windows_that_follow_each_other_judge_their_new_day_only(sound: Line) -> None:
    assert sound.run(FAULTY).passed
    assert sound.judged == list(sound.plan(FAULTY).all_days)
    for number in range(1, DAYS + 3):
        assert sound.run(after(number)).passed
        assert sound.judged == [after(number)]
    for number in range(DAYS + 3):
        assert len(sound.run(after(number)).reused) == DAYS + 1


def test_a_day_that_failed_is_judged_again_where_as_many_earlier_days_are_there(sound: Line) -> None:
    """It failed beside earlier days that were corrected since."""
    earlier = sound.plan(FAULTY).days
    kept = {day: sound.candidates(day).read_bytes() for day in earlier}
    for day in earlier:
        sound.spoil(day)
    assert not sound.run(FAULTY).passed
    for day, content in kept.items():
        sound.candidates(day).write_bytes(content)
    assert sound.run(after(1)).passed
    assert sound.judged == [*earlier[1:], FAULTY, after(1)]
    assert sound.run(FAULTY).passed
    assert sound.judged == list(earlier)


def test_a_record_is_not_lost_to_one_that_is_worth_less(line: Line) -> None:
    """Two runs judged the day at the same time."""
    place, limits = line.record(FAULTY), line.preset.data
    better = validated(FAULTY, compared=limits.min_trailing_days)
    _keep(place, better, limits)
    _keep(place, validated(FAULTY, compared=limits.min_trailing_days - 1), limits)
    assert read_record(place, DayValidation) == better
    more = validated(FAULTY, compared=limits.min_trailing_days + 1)
    _keep(place, more, limits)
    assert read_record(place, DayValidation) == more


def test_a_backfill_counts_the_days_that_a_run_would_judge(line: Line) -> None:
    for as_of in (after(DAYS), FAULTY, after(DAYS), after(DAYS - 2)):
        plan, seen = line.plan(as_of), _Seen()
        stage.all_sources(plan, seen.sources)
        expected = _unvalidated(plan, seen)
        line.run(as_of)
        assert expected == len(line.judged)


def test_the_day_after_an_accepted_one_is_judged_again_where_it_no_longer_is(line: Line) -> None:
    accepted = line.preset.data.model_copy(update={"accepted": {FAULTY: "a new teacher"}})
    other = Line(line.preset.model_copy(update={"data": accepted}), line.place)
    changed = [number for number in range(-1, 3) if line.record(after(number)) != other.record(after(number))]
    assert changed == [0, 1]
