"""Write the simulated platform's logs, a day at a time, in a stream: memory does not grow with the size."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mtmd.errors import ConfigError
from mtmd.logs import day_directory
from mtmd.storage import atomic_directory
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

    A day's bytes depend on (config, day) only. Raises ConfigError for days in the wrong order or before the
    world's origin.
    """
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    if first < config.origin:
        raise ConfigError(f"first ({first}) must not be before the world's origin {config.origin}")
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        rows = _write_day(config, day, logs)
        if on_day is not None:
            on_day(day, rows)


def _write_day(config: WorldConfig, day: date, logs: Path) -> int:
    """Requests first and candidates last: a day whose candidates are there is complete."""
    directories = {table: day_directory(logs, table, day) for table in ("ads", "requests", "candidates")}
    if all(directory.exists() for directory in directories.values()):
        return 0
    index = config.day_index(day)
    ads = ads_alive(config, index)
    snapshot = ads_table(config, day, ads, counters(config, index, ads))
    _write(directories["ads"], [snapshot])
    _write(directories["requests"], (requests_table(config, day, chunk) for chunk in chunks(config, index)))
    return _write(
        directories["candidates"], (candidates_table(chunk, ads) for chunk in chunks(config, index))
    )


def _write(directory: Path, tables: Iterable[pa.Table]) -> int:
    if directory.exists():
        return 0
    rows = 0
    stream = iter(tables)
    head = next(stream)
    with (
        atomic_directory(directory) as temporary,
        pq.ParquetWriter(temporary / "part-0.parquet", head.schema) as writer,
    ):
        for table in chain([head], stream):
            writer.write_table(table)
            rows += table.num_rows
    return rows


@dataclass(frozen=True)
class DayTruth:
    """True probabilities of a day's candidates, which no log holds: (P,) keys and (P, 3) ctr, gctr, octr."""

    request_id: NDArray[np.int64]
    ad_id: NDArray[np.int64]
    probability: NDArray[np.float64]


def day_truth(config: WorldConfig, day: date) -> DayTruth:
    """The truth behind a day's logs, in the order of its `candidates`; octr is NaN on shopping."""
    index = config.day_index(day)
    ads = ads_alive(config, index)
    parts: list[Chunk] = list(chunks(config, index))
    return DayTruth(
        request_id=np.concatenate([part.requests.request_id[part.row] for part in parts]),
        ad_id=np.concatenate([ads.ad_id[part.ad] for part in parts]),
        probability=np.concatenate([part.true for part in parts]),
    )
