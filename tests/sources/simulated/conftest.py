"""Two demo-sized days of the simulated platform, as logged and as they truly are."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import simulate
from tests.worlds import DayTruth, day_truth

FIRST = date(2026, 1, 1)
DAYS = 4


def read(logs: Path, table: str, day: date) -> pa.Table:
    return pq.read_table(logs / table / f"date={day}", partitioning=None)


@dataclass(frozen=True)
class Simulated:
    config: WorldConfig
    logs: Path
    days: tuple[date, ...]
    truths: tuple[DayTruth, ...]

    def column(self, table: str, name: str) -> NDArray[np.generic]:
        """One column over all days; nulls of numbers are NaN, of others None."""
        tables = [read(self.logs, table, day).column(name) for day in self.days]
        return np.concatenate([column.to_numpy() for column in tables])

    def truth(self, name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(truth, name) for truth in self.truths])


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    config = WorldConfig()
    logs = tmp_path_factory.mktemp("world")
    days = tuple(FIRST + timedelta(days=offset) for offset in range(DAYS))
    simulate(config, days[0], days[-1], logs)
    return Simulated(config, logs, days, tuple(day_truth(config, day) for day in days))
