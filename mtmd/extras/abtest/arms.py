"""The arms of an A/B experiment: what a ranker's ads cost, and what people did with them (paper §3.3).

Arms are **paired**: each has all users and all budgets, in a world of its own. The same requests reach the same ads and
the same people in both, so what differs is the ranker's doing. Only a simulator can do this.

`alignment` says how well a lightweight ranker agrees with the heavyweight one that follows it (paper §1: funnel
alignment).

Shapes: U users, C cells, M sums, I impressions, P pairs, T tasks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen
from mtmd.extras.abtest.funnel import ACTIONS, FURTHER_ACTIONS, Delivery, deliver, highest, worth
from mtmd.extras.abtest.settings import FunnelConfig
from mtmd.extras.abtest.traffic import Chances, Traffic
from mtmd.sources.simulated.effects import PRODUCTS
from mtmd.sources.simulated.requests import SURFACES
from mtmd.sources.simulated.streams import Floats, Ints

_REQUESTS_AT_ONCE = 500

GOALS = ("click", "conversion")
CELLS = (
    ("all", "all"),
    *(("surface", name) for name in SURFACES),
    *(("product", name) for name in PRODUCTS),
    *(("goal", name) for name in GOALS),
)
SUMS = (
    *("spend", "impressions", "clicks", "good", "outbound", "outbound_impressions", "hides", "repins"),
    # 0 where the world has none:
    *("conversions", "conversion_impressions", "relevant", "relevance_impressions"),
)


@dataclass(frozen=True)
class Arm:
    """One ranker in one sample of traffic.

    expected  (C, M) sums by cell and SUMS; an impression counts its true chances of each action
    used      spend as a share of the budgets
    """

    expected: Floats
    used: float

    @property
    def impressions(self) -> float:
        return float(self.expected[0, SUMS.index("impressions")])


def arm(traffic: Traffic, scores: Chances, funnel: FunnelConfig) -> Arm:
    """Run the funnel with a ranker's scores (P, T)."""
    delivery = deliver(traffic, scores, funnel)
    inside = _cells(traffic, delivery)
    return Arm(
        expected=inside @ _values(delivery.price, delivery.expected),
        used=float(delivery.spent.sum() / delivery.budget.sum()),
    )


class Alignment(Frozen):
    """Agreement on a surface, as means over its requests, at full bids."""

    surface: str
    kept: float = Field(
        description="share of the heavyweight ranker's best `keep` ads that the lightweight keeps"
    )
    winners: float = Field(description="share of its best `slots` ads that the lightweight ranker keeps")


def alignment(traffic: Traffic, scores: Chances, config: FunnelConfig) -> tuple[Alignment, ...]:
    """Of all surfaces together, then of each; both rankers choose among all eligible ads."""
    kept, winners = np.empty(len(traffic.requests)), np.empty(len(traffic.requests))
    lightweight, heavyweight = (_utility(traffic, chances) for chances in (scores, traffic.teacher))
    for start in range(0, len(traffic.requests), _REQUESTS_AT_ONCE):
        stop = min(start + _REQUESTS_AT_ONCE, len(traffic.requests))
        span = slice(traffic.first[start], traffic.first[stop])
        first = traffic.first[start : stop + 1] - traffic.first[start]
        chosen = highest(lightweight[span], first, config.keep)
        kept[start:stop] = _share_chosen(highest(heavyweight[span], first, config.keep), chosen)
        winners[start:stop] = _share_chosen(highest(heavyweight[span], first, config.slots), chosen)
    surface = traffic.requests.surface
    where = [("all", surface >= 0), *((name, surface == place) for place, name in enumerate(SURFACES))]
    return tuple(
        Alignment(surface=name, kept=float(kept[rows].mean()), winners=float(winners[rows].mean()))
        for name, rows in where
    )


def _utility(traffic: Traffic, scores: Chances) -> Chances:
    paid, quality = worth(traffic, scores)
    return (traffic.ads.bid[traffic.pairs.ad] * paid + quality).astype(np.float32)


def _share_chosen(wanted: Ints, chosen: Ints) -> Ints:
    """(n,) share of each request's `wanted` places that are among the `chosen` ones; -1 is no place."""
    there = (wanted[:, :, None] == chosen[:, None, :]).any(axis=2) & (wanted >= 0)
    return np.asarray(there.sum(axis=1) / np.maximum((wanted >= 0).sum(axis=1), 1))


def _values(price: Floats, done: Floats) -> Floats:
    """(I, M) what each impression adds to each of SUMS; `done` (I, C) are its actions."""
    columns = [price, np.ones(len(done)), done[:, 0], done[:, 1], *_where_known(done[:, 2])]
    further = [part for action in done[:, len(ACTIONS) :].T for part in _where_known(action)]
    none = [np.zeros(len(done))] * (2 * len(FURTHER_ACTIONS) - len(further))
    return np.column_stack([*columns, done[:, 3], done[:, 4], *further, *none])


def _where_known(action: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(I,) the action, 0 where the product lacks it, and where it doesn't."""
    return np.nan_to_num(action), ~np.isnan(action)


def _cells(traffic: Traffic, delivery: Delivery) -> Floats:
    """(C, I) 1 where an impression is in a cell."""
    surface, ads = traffic.requests.surface[delivery.request], traffic.ads
    inside = [
        np.ones(len(delivery.ad), np.bool_),
        *(surface == place for place in range(len(SURFACES))),
        *(ads.product[delivery.ad] == place for place in range(len(PRODUCTS))),
        *(ads.conversion[delivery.ad] == place for place in range(len(GOALS))),
    ]
    return np.stack(inside).astype(np.float64)
