"""How well a lightweight ranker agrees with the heavyweight one that follows it (paper §1: funnel alignment)."""

import numpy as np
from pydantic import Field

from mtmd.config import Frozen
from mtmd.world.config import FunnelConfig
from mtmd.world.funnel import highest, worth
from mtmd.world.requests import SURFACES
from mtmd.world.streams import Ints
from mtmd.world.traffic import Chances, Traffic

_REQUESTS_AT_ONCE = 500


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
    own, other = (_utility(traffic, given) for given in (scores, traffic.teacher))
    for start in range(0, len(traffic.requests), _REQUESTS_AT_ONCE):
        stop = min(start + _REQUESTS_AT_ONCE, len(traffic.requests))
        span = slice(traffic.first[start], traffic.first[stop])
        first = traffic.first[start : stop + 1] - traffic.first[start]
        chosen = highest(own[span], first, config.keep)
        kept[start:stop] = _found(highest(other[span], first, config.keep), chosen)
        winners[start:stop] = _found(highest(other[span], first, config.slots), chosen)
    surface = traffic.requests.surface
    where = [("all", surface >= 0), *((name, surface == place) for place, name in enumerate(SURFACES))]
    return tuple(
        Alignment(surface=name, kept=float(kept[rows].mean()), winners=float(winners[rows].mean()))
        for name, rows in where
    )


def _utility(traffic: Traffic, scores: Chances) -> Chances:
    paid, quality = worth(traffic, scores)
    return (traffic.ads.bid[traffic.pairs.ad] * paid + quality).astype(np.float32)


def _found(wanted: Ints, chosen: Ints) -> Ints:
    """(n,) share of each request's `wanted` places that are among the `chosen` ones; -1 is no place."""
    there = (wanted[:, :, None] == chosen[:, None, :]).any(axis=2) & (wanted >= 0)
    return np.asarray(there.sum(axis=1) / np.maximum((wanted >= 0).sum(axis=1), 1))
