"""Eight days of the demo world in memory, and three of them as logs."""

from datetime import timedelta
from pathlib import Path

import pytest

from mtmd.world import WorldConfig, simulate
from tests.world.days import FIRST_DAY, Pairs, pairs


@pytest.fixture(scope="session")
def demo() -> Pairs:
    return pairs(WorldConfig.demo(), 8)


@pytest.fixture(scope="session")
def demo_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of demo logs from 2026-01-01, a Thursday; read-only by convention."""
    logs = tmp_path_factory.mktemp("demo_logs")
    simulate(WorldConfig.demo(), FIRST_DAY, FIRST_DAY + timedelta(days=2), logs)
    return logs
