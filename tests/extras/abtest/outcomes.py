"""A simulated A/B by hand: 20 samples, and every metric as far from its control as a test says."""

import math
from collections.abc import Mapping

from scipy.stats import t as student

from mtmd.extras.abtest.arms import CELLS, Alignment
from mtmd.extras.abtest.changes import LOWER_IS_BETTER, METRICS, RelativeChange
from mtmd.extras.abtest.outcome import (
    BASELINE,
    CANDIDATE,
    CHANCE,
    HEAVYWEIGHT,
    ORACLE,
    UNCONSTRAINED,
    ABTest,
    ArmComparison,
)
from mtmd.extras.abtest.settings import FunnelConfig

SAMPLES = 20
ERROR = 0.01  # standard error of every log ratio


def changes(errors: Mapping[str, float | None]) -> tuple[RelativeChange, ...]:
    """Each metric's log ratio in standard errors, the same in every cell; 0 for others, None for no ratio."""
    return tuple(
        change(kind, cell, metric, errors.get(metric, 0.0)) for metric in METRICS for kind, cell in CELLS
    )


def change(kind: str, cell: str, metric: str, errors: float | None) -> RelativeChange:
    if errors is None:
        return RelativeChange(
            kind=kind, cell=cell, metric=metric, control=None, treatment=None, change=None, low=None, high=None,
            worse=None,
        )  # fmt: skip
    ratio, half = errors * ERROR, float(student.ppf(0.975, SAMPLES - 1)) * ERROR
    return RelativeChange(
        kind=kind,
        cell=cell,
        metric=metric,
        control=0.1,
        treatment=0.1 * math.exp(ratio),
        change=math.expm1(ratio),
        low=math.expm1(ratio - half),
        high=math.expm1(ratio + half),
        worse=float(student.sf(errors if metric in LOWER_IS_BETTER else -errors, SAMPLES - 1)),
    )


def planted(
    *,
    unconstrained: bool = False,
    rivals: tuple[str, ...] = (),
    follows: Mapping[str, str] | None = None,
    **errors: float | None,
) -> ABTest:
    """The candidate against the baselines with these log ratios, in standard errors.

    Against further rivals it is one error ahead in CTR, and they are two ahead of the baselines.
    """
    models = [CANDIDATE, BASELINE, *rivals, *([UNCONSTRAINED] if unconstrained else [])]
    rankers = [*models, ORACLE, HEAVYWEIGHT, CHANCE]
    pairs = {(BASELINE, CANDIDATE): errors, (BASELINE, HEAVYWEIGHT): {}}
    pairs |= {(BASELINE, ORACLE): {"CTR": 5.0}, (BASELINE, CHANCE): {"CTR": -50.0}}
    for rival in rivals:
        pairs |= {(BASELINE, rival): {"CTR": 2.0}, (rival, CANDIDATE): {"CTR": 1.0}}
    if unconstrained:
        pairs[UNCONSTRAINED, CANDIDATE] = {"CTR": 1.0}
    aligned = (Alignment(surface="all", kept=0.75, winners=0.96),)
    return ABTest(
        key="7" * 64,
        name="tiny",
        day="2026-01-21",
        control=BASELINE,
        funnel=FunnelConfig(),
        samples=SAMPLES,
        comparisons=tuple(
            ArmComparison(control=one, treatment=other, changes=changes(own))
            for (one, other), own in pairs.items()
        ),
        alignment=dict.fromkeys(rankers, aligned),
        used=dict.fromkeys(rankers, 0.875),
        impressions=dict.fromkeys(rankers, 3.99),
        follows=dict(follows or {}),
    )
