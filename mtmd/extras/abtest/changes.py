"""The arms of the experiment, and relative changes of the online metrics between two of them (paper §3.3).

Arms are **paired**: each has all users and all budgets, in a world of its own. The same requests reach the same ads and
the same people in both, so what differs is the ranker's doing. Only a simulator can do this.

A bootstrap over users, as in the offline comparison, is not valid here: budgets that run out tie the users of a market
together, and where nothing differed it found something in 19 of 100 cells instead of 5. What is independent is a
market, so the day is run several times, each time with other requests and whole budgets, and an interval is Student's
over those samples: the jackknife's standard error of the log of the ratio of both arms' metrics.

Hides and saves are no metrics of this world: they follow from clicks there, and would be the same evidence twice.
D samples, C cells, M sums, I impressions.
"""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from mtmd.config import Frozen
from mtmd.evaluate.metrics import log_ratio, ratio
from mtmd.extras.abtest import Settings
from mtmd.extras.abtest.funnel import Chances, Traffic, deliver
from mtmd.sources.simulated.effects import PRODUCTS
from mtmd.sources.simulated.population import Floats
from mtmd.sources.simulated.requests import SURFACES

GOALS = ("click", "conversion")
CELLS = (
    ("all", "all"),
    *(("surface", name) for name in SURFACES),
    *(("product", name) for name in PRODUCTS),
    *(("goal", name) for name in GOALS),
)
SUMS = ("spend", "impressions", "clicks", "good", "outbound", "outbound_impressions")
METRICS: dict[str, tuple[str, str]] = {  # → what is divided by what (paper §3.3)
    "CPC": ("spend", "clicks"),
    "CTR": ("clicks", "impressions"),
    "GCTR": ("good", "impressions"),
    "OCTR": ("outbound", "outbound_impressions"),
}
LOWER_IS_BETTER = frozenset({"CPC"})
MIN_SAMPLES = 5  # fewer have hardly a spread, and Student's quantile needs 4 degrees of freedom
Arm = Floats  # (C, M) sums of one ranker in one sample; an impression counts its true chances of each action


def arm(traffic: Traffic, scores: Chances, settings: Settings) -> Arm:
    """Run the funnel with a ranker's scores (P, T)."""
    shown = deliver(traffic, scores, settings)
    surface, ads = traffic.requests.surface[shown.request], traffic.ads
    inside = [
        np.ones(len(shown.ad), np.bool_),
        *(surface == place for place in range(len(SURFACES))),
        *(ads.product[shown.ad] == place for place in range(len(PRODUCTS))),
        *(ads.conversion[shown.ad] == place for place in range(len(GOALS))),
    ]
    click, good, outbound = shown.expected.T
    added = (shown.price, np.ones(len(click)), click, good, np.nan_to_num(outbound), ~np.isnan(outbound))
    return np.asarray(np.stack(inside).astype(np.float64) @ np.column_stack(added))


class RelativeChange(Frozen):
    """What the treatment did to one metric in one cell; None where a denominator is 0."""

    kind: str = Field(description="surface, product, goal, or all")
    cell: str
    metric: str
    change: float | None = Field(description="treatment / control - 1")
    low: float | None
    high: float | None

    @property
    def significant(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def better(self) -> bool:
        """Whether the change is towards better: down for CPC, up for the others."""
        return self.change is not None and (self.change < 0) == (self.metric in LOWER_IS_BETTER)

    def __str__(self) -> str:
        """`CTR +0.78% [+0.41%, +1.15%]`."""
        if self.change is None:
            return f"{self.metric} undefined"
        interval = "" if self.low is None or self.high is None else f" [{self.low:+.2%}, {self.high:+.2%}]"
        return f"{self.metric} {self.change:+.2%}{interval}"


def changes(
    control: Sequence[Arm], treatment: Sequence[Arm], *, confidence: float = 0.95
) -> tuple[RelativeChange, ...]:
    """Every metric in every cell; the arms are of the same samples, at least 5 of them."""
    from scipy.special import stdtrit  # noqa: PLC0415 - a third of a second, and few runs need it

    sums = np.array([control, treatment])  # (2, D, C, M)
    whole = sums.sum(axis=1, keepdims=True)
    others = whole - sums  # of the other samples
    margin = float(stdtrit(len(control) - 1, (1.0 + confidence) / 2.0))
    found = []
    for metric, parts in METRICS.items():
        above, below = (SUMS.index(part) for part in parts)
        control_rate, rate = ratio(whole[..., above], whole[..., below])[:, 0]  # (C,) each
        control_without, without = ratio(others[..., above], others[..., below])  # (D, C) rates each
        change, error = log_ratio(rate, control_rate), _jackknife(log_ratio(without, control_without))
        for place, (kind, cell) in enumerate(CELLS):
            spread = margin * error[place]
            values = {
                "change": np.expm1(change[place]),
                "low": np.expm1(change[place] - spread),
                "high": np.expm1(change[place] + spread),
            }
            known = {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
            found.append(RelativeChange(kind=kind, cell=cell, metric=metric, **known))
    return tuple(found)


def _jackknife(without: Floats) -> Floats:
    """(C,) standard error from the values (D, C) that leave one sample out."""
    count = len(without)
    return np.asarray(np.sqrt((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0)))
