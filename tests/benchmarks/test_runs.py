"""What benchmarks share: the platform that they simulate has the preset's columns."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from benchmarks.runs import extracted, plan_of, platform_for, timed_training
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.extract.stage import extract_day
from mtmd.extract.window import window_fingerprint
from mtmd.logs.source import LogSource
from mtmd.sources.simulated.platform import simulate
from mtmd.train.stage import training_key
from tests.conftest import FIRST_DAY, TINY

DAY = date(2026, 1, 1)


@pytest.mark.parametrize("name", ["five-tasks", "histories"])
def test_a_day_of_the_platform_can_be_extracted_by_its_preset(name: str, tmp_path: Path) -> None:
    preset = load_preset(name)
    simulate(platform_for(preset, requests_per_day=40, users=60, ads=80), DAY, DAY, tmp_path / "logs")
    ref = extract_day(LogSource(tmp_path / "logs"), DAY, preset.declarations, tmp_path / "shards")
    assert ref.candidates > 40


def test_seconds_are_those_of_a_training_that_was_done_at_once(tiny_logs: Path, tmp_path: Path) -> None:
    preset = load_preset(TINY)
    preset = preset.model_copy(update={"training": preset.training.model_copy(update={"epochs": 1})})
    as_of = FIRST_DAY + timedelta(days=3)
    plan = plan_of(preset, as_of, window_days=2, logs=str(tiny_logs), artifacts=str(tmp_path))
    window = extracted(plan, plan.days)
    trained, seconds = timed_training(plan, "pooled", window)
    assert seconds is not None
    assert 0 < seconds < 60
    assert timed_training(plan, "pooled", window) == (trained.model_copy(update={"reused": True}), None)
    key = training_key("per_slice", window_fingerprint(window), preset)
    plan.workspace.work("per_slice", key).mkdir(parents=True)  # a process that was stopped has left it
    trained, seconds = timed_training(plan, "per_slice", window)
    assert (trained.key, trained.reused, seconds) == (key, False, None)


def test_a_preset_of_other_logs_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset 'kuairand' can't be simulated"):
        platform_for(load_preset("kuairand"), requests_per_day=40)
