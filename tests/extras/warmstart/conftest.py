"""A line whose days go on from the champion's training: the first is a full retrain, the next goes on from it."""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from mtmd.promote.findings import RunSummary
from mtmd.promote.stage import DayRun
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import write_text
from mtmd.train.results import ChosenStart
from mtmd.train.stage import choose_start
from tests.daily import run_stages
from tests.flows.runs import LINE, NEXT, TINY, Run, copied
from tests.shared import Shared
from tests.train.windows import with_extra, with_training

PRESET = f"""
base = "{TINY}"
name = "{LINE}"
[extras.warmstart]
on = true
days = 6
epochs = 2
rate = 0.5
"""


@dataclass(frozen=True)
class Line:
    """Two days that were promoted, one after the other; `next_run` is what the second one's stages made."""

    preset: str
    logs: Path
    artifacts: Path
    first: RunSummary
    second: RunSummary
    next_run: DayRun

    @property
    def registry(self) -> Registry:
        return Registry(self.artifacts / LINE)

    def plan(self, as_of: date = NEXT, training: dict[str, object] | None = None, **warm: object) -> RunPlan:
        """A day's plan, with other values of `[training]` or of the extra."""
        plan = plan_run(as_of, self.preset, logs=str(self.logs), artifacts=str(self.artifacts))
        preset = with_extra(with_training(plan.preset, **(training or {})), "warmstart", **warm)
        return plan.model_copy(update={"preset": preset})

    @property
    def window(self) -> dict[date, str]:
        return {ref.day: ref.fingerprint for ref in self.next_run.days.window}

    def choose(self, plan: RunPlan | None = None, window: dict[date, str] | None = None) -> ChosenStart:
        return choose_start(self.plan() if plan is None else plan, self.window if window is None else window)


@pytest.fixture(scope="session")
def warm_line(first_run: Run, next_day: Run, shared: Shared) -> Line:
    """Copy its artifacts before you damage them."""

    def make(place: Path) -> Line:
        artifacts = copied(next_day.artifacts, place / "artifacts", champion=False)
        for trained in (artifacts / LINE / "trained").glob("mtmd-*"):
            shutil.rmtree(trained)  # these were trained without the extra, and kept no moments
        preset = place / "warm.toml"
        write_text(preset, PRESET)
        first = run_stages(first_run.logs, artifacts, preset=str(preset)).decide()
        done = run_stages(first_run.logs, artifacts, NEXT, preset=str(preset))
        return Line(str(preset), first_run.logs, artifacts, first, done.decide(), done)

    return shared.once("warm", make)


@pytest.fixture
def line(warm_line: Line, tmp_path: Path) -> Line:
    """A copy that a test may damage."""
    artifacts = shutil.copytree(warm_line.artifacts, tmp_path / "artifacts")
    return Line(**(vars(warm_line) | {"artifacts": artifacts}))
