"""What benchmarks share: the platform that they simulate has the preset's columns."""

from datetime import date
from pathlib import Path

import pytest

from benchmarks.runs import platform_for
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.sources.simulated.platform import simulate

DAY = date(2026, 1, 1)


def test_a_day_of_the_platform_can_be_extracted_by_its_preset(tmp_path: Path) -> None:
    preset = load_preset("demo")
    simulate(platform_for(preset, requests_per_day=40, users=60, ads=80), DAY, DAY, tmp_path / "logs")
    ref = extract_day(LogSource(tmp_path / "logs"), DAY, preset.declarations, tmp_path / "shards")
    assert ref.candidates > 40


def test_a_preset_of_other_logs_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset 'kuairand' can't be simulated"):
        platform_for(load_preset("kuairand"), requests_per_day=40)
