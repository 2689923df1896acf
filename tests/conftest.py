"""Shared data of the tests: a small simulated platform, made once."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.config import Preset, load_preset

TINY = str(Path(__file__).parent / "tiny.toml")
FIRST_DAY = date(2026, 1, 1)
TINY_DAYS = 22  # a 20-day window, a held-out day, and one more for the day after


@pytest.fixture(scope="session")
def tiny_preset() -> Preset:
    return load_preset(TINY)


@pytest.fixture(scope="session")
def tiny_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """22 days of tiny logs from 2026-01-01; read-only by convention: copy before you damage."""
    from mtmd.world import WorldConfig, simulate

    logs = tmp_path_factory.mktemp("logs")
    simulate(WorldConfig.tiny(), FIRST_DAY, FIRST_DAY + timedelta(days=TINY_DAYS - 1), logs)
    yield logs
