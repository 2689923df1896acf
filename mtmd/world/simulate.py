"""Write the simulated platform's logs, a day at a time, in a stream: memory grows with a chunk of
requests, not with the day."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mtmd.contract import TABLES
from mtmd.errors import ConfigError
from mtmd.logs import day_directory
from mtmd.storage import atomic_directory, sweep
from mtmd.world.config import WorldConfig
from mtmd.world.day import Chunk, chunks, counters
from mtmd.world.population import ads_alive
from mtmd.world.tables import ads_table, candidates_table, requests_table


def simulate(
    config: WorldConfig,
    first: date,
    last: date,
    logs: Path,
    on_day: Callable[[date, int], None] | None = None,
) -> None:
    """Write the days from `first` to `last` that are missing; `on_day` gets (day, candidate rows written).

    A day's bytes depend on (config, day) only. What a killed run left half written is removed. Raises
    ConfigError for days in the wrong order or before the world's origin.
    """
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    if first < config.origin:
        raise ConfigError(
            f"first ({first}) must not be before the world's origin ({config.origin}); choose later days"
        )
    sweep(logs)
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        rows = _write_day(config, day, logs)
        if on_day is not None:
            on_day(day, rows)


def _write_day(config: WorldConfig, day: date, logs: Path) -> int:
    """Write the tables that the day lacks, in one pass over its chunks; returns the candidate rows written.

    Each table appears whole or not at all, so a day that a crash cut short is completed by the next run.
    """
    directories = {table: day_directory(logs, table, day) for table in TABLES}
    missing = {table: directory for table, directory in directories.items() if not directory.exists()}
    if not missing:
        return 0
    index, rows = config.day_index(day), 0
    ads = ads_alive(config, index)
    with ExitStack() as stack:
        parts = {table: stack.enter_context(atomic_directory(final)) for table, final in missing.items()}
        if "ads" in parts:
            _write(parts["ads"], 0, ads_table(config, day, ads, counters(config, index, ads)))
        for number, chunk in enumerate(chunks(config, index) if parts.keys() - {"ads"} else ()):
            if "requests" in parts:
                _write(parts["requests"], number, requests_table(config, day, chunk))
            if "candidates" in parts:
                rows += _write(parts["candidates"], number, candidates_table(chunk, ads))
    return rows


def _write(directory: Path, number: int, table: pa.Table) -> int:
    pq.write_table(table, directory / f"part-{number}.parquet")
    return int(table.num_rows)


@dataclass(frozen=True)
class DayTruth:
    """True probabilities of a day's candidates, which no log holds: (P,) keys and (P, 3) ctr, gctr, octr."""

    request_id: NDArray[np.int64]
    ad_id: NDArray[np.int64]
    probability: NDArray[np.float64]


def day_truth(config: WorldConfig, day: date) -> DayTruth:
    """The truth behind a day's logs, in the order of its `candidates`; octr is NaN on shopping.

    Raises ConfigError for a day before the world's origin.
    """
    index = config.day_index(day)
    ads = ads_alive(config, index)
    parts: list[Chunk] = list(chunks(config, index))
    return DayTruth(
        request_id=np.concatenate([part.requests.request_id[part.row] for part in parts]),
        ad_id=np.concatenate([ads.ad_id[part.ad] for part in parts]),
        probability=np.concatenate([part.true for part in parts]),
    )
