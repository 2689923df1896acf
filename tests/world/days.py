"""Reads days of a simulated world, with what no log holds."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mtmd.logs import day_files
from mtmd.world import WorldConfig
from mtmd.world.day import chunks, counters
from mtmd.world.population import ads_alive

FIRST_DAY = date(2026, 1, 1)  # a Thursday


@dataclass(frozen=True)
class Pairs:
    """All candidate rows of some days, one array per column."""

    day: NDArray[np.int64]
    domain: NDArray[np.int64]  # 2 · surface + product
    ad_id: NDArray[np.int64]
    ad_impressions: NDArray[np.float64]
    scores: NDArray[np.float64]
    true: NDArray[np.float64]
    impressed: NDArray[np.bool_]
    actions: NDArray[np.bool_]  # (P, 3) clicked, good, outbound
    position: NDArray[np.int64]


def pairs(config: WorldConfig, days: int) -> Pairs:
    parts = []
    for offset in range(days):
        index = config.day_index(FIRST_DAY + timedelta(days=offset))
        ads = ads_alive(config, index)
        seen = counters(config, index, ads)
        parts += [
            (
                np.full(len(chunk.row), index),
                2 * chunk.requests.surface[chunk.row] + ads.product[chunk.ad],
                ads.ad_id[chunk.ad],
                seen.impressions[chunk.ad],
                chunk.scores,
                chunk.true,
                chunk.impressed,
                np.stack([chunk.clicked, chunk.good_clicked, chunk.outbound_clicked], axis=1),
                chunk.position,
            )
            for chunk in chunks(config, index)
        ]
    return Pairs(*map(np.concatenate, zip(*parts, strict=True)))


def log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(p) - np.log1p(-p)


def read(logs: Path, table: str, day: date) -> pa.Table:
    return pa.concat_tables([pq.read_table(path, partitioning=None) for path in day_files(logs, table, day)])
