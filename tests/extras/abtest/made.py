"""Traffic of the tiny platform, and an A/B test by hand, whose metrics are as far from their control as a test says."""

import math
from collections.abc import Mapping
from datetime import date
from functools import cache

from scipy.stats import t as student

from mtmd.extras.abtest import Settings
from mtmd.extras.abtest.changes import CELLS, METRICS, RelativeChange
from mtmd.extras.abtest.funnel import Traffic, draw_traffic
from mtmd.extras.abtest.stage import BASELINE, ABTest
from mtmd.sources.simulated.platform import SimulatedPlatform
from tests.worlds import tiny_world

DAY = date(2026, 1, 21)
FUNNEL = Settings(requests=300, keep=8, slots=3)
BROAD = 20
SAMPLES = 20
ERROR = 0.01  # standard error of every log ratio


@cache
def tiny_platform() -> SimulatedPlatform:
    return SimulatedPlatform(tiny_world())


@cache
def tiny_traffic(sample: int = 0) -> Traffic:
    """Read-only by convention."""
    return draw_traffic(tiny_platform(), DAY, FUNNEL.requests, sample, BROAD)


def changed(errors: Mapping[str, float | None]) -> tuple[RelativeChange, ...]:
    """Each metric's log ratio in standard errors, the same in every cell; 0 for others, None for no ratio."""
    return tuple(
        _change(kind, cell, metric, errors.get(metric, 0.0)) for metric in METRICS for kind, cell in CELLS
    )


def _change(kind: str, cell: str, metric: str, errors: float | None) -> RelativeChange:
    if errors is None:
        nothing = dict.fromkeys(("change", "low", "high"))
        return RelativeChange(kind=kind, cell=cell, metric=metric, **nothing)
    ratio, half = errors * ERROR, float(student.ppf(0.975, SAMPLES - 1)) * ERROR
    return RelativeChange(
        kind=kind,
        cell=cell,
        metric=metric,
        change=math.expm1(ratio),
        low=math.expm1(ratio - half),
        high=math.expm1(ratio + half),
    )


def planted(*rivals: str, **errors: float | None) -> ABTest:
    """The candidate against the baselines with these log ratios, in standard errors; one ahead in CTR of others."""
    others = dict.fromkeys(rivals, changed({"CTR": 1.0}))
    return ABTest(day=str(DAY), settings=Settings(), comparisons={BASELINE: changed(errors)} | others)
