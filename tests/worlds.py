"""The simulated platform of the tests, what truly governs its days, and pairs of its requests and ads."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import SimulatedPlatform


def tiny_world(seed: int = 0) -> WorldConfig:
    """About 640 candidate rows a day, at least 10 in each of the six domains."""
    return WorldConfig(
        seed=seed,
        users=120,
        ads=150,
        new_ads_per_day=4,
        topics=6,
        terms=60,
        pins=90,
        requests_per_day=80,
        candidates_per_request=8,
        impressions_per_request=3,
    )


@dataclass(frozen=True)
class DayTruth:
    """What really governs a day, one row per candidate in the logs' order; never in the logs.

    `probability` and `teacher` are (P, 3) in the order of `outcomes.TASKS`, NaN where a task does not apply.
    """

    request_id: NDArray[np.int64]
    ad_id: NDArray[np.int64]
    surface: NDArray[np.int64]
    product: NDArray[np.int64]
    probability: NDArray[np.float64]
    teacher: NDArray[np.float64]
    impressed: NDArray[np.bool_]


def day_truth(config: WorldConfig, day: date) -> DayTruth:
    """The truth of every candidate of a day, re-made from the configuration."""
    platform = SimulatedPlatform(config)
    ads = platform.ads(day)
    parts = [
        (
            block.requests.request_id[block.pairs.request],
            ads.ad_id[block.pairs.ad],
            block.requests.surface[block.pairs.request],
            ads.product[block.pairs.ad],
            block.scores.truth,
            block.scores.teacher,
            block.actions.impressed,
        )
        for block in platform.blocks(day, ads)
    ]
    return DayTruth(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
