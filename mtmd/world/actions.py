"""The auction, and what people do with what is shown: always according to the truth, never to the teacher."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmd.world.ads import Ads
from mtmd.world.candidates import Pairs
from mtmd.world.config import WorldConfig
from mtmd.world.streams import Floats, Ints
from mtmd.world.teacher import Scores

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Actions:
    """(P,) each; the actions mean something only where `impressed`, outbound clicks only on standard ads."""

    impressed: Bools
    position: Ints  # 0 = top
    clicked: Bools
    good_clicked: Bools
    outbound_clicked: Bools
    hidden: Bools
    repinned: Bools


def act(config: WorldConfig, ads: Ads, pairs: Pairs, scores: Scores, rng: np.random.Generator) -> Actions:
    """Show the auction's winners and a few others, and draw the actions."""
    u = rng.random((len(pairs.ad), 6))
    value = auction_score(ads, pairs, scores.teacher)
    won = _rank(pairs.request, -value) < config.impressions_per_request
    impressed = won | (u[:, 0] < config.exploration)
    place = _rank(pairs.request, np.where(impressed, -value, np.inf))
    ctr, gctr, octr = scores.truth.T
    clicked = u[:, 1] < ctr
    dislike = 0.004 + 0.02 * np.exp(-20.0 * ctr)
    return Actions(
        impressed=impressed,
        position=place,
        clicked=clicked,
        good_clicked=clicked & (u[:, 2] < gctr / ctr),
        outbound_clicked=clicked & (u[:, 3] < np.nan_to_num(octr) / ctr),
        hidden=~clicked & (u[:, 4] < dislike),
        repinned=u[:, 5] < np.minimum(0.002 + 0.25 * ctr, 0.5),
    )


def auction_score(ads: Ads, pairs: Pairs, teacher: Floats) -> Floats:
    """(P,) expected value of showing each ad: its bid times the chance of what it pays for, and quality."""
    conversion = 0.12 * teacher[:, 1]
    paid = np.where(ads.conversion[pairs.ad] == 1, conversion, teacher[:, 0])
    return np.asarray(ads.bid[pairs.ad] * paid + 0.02 * teacher[:, 1])


def _rank(request: Ints, key: Floats) -> Ints:
    """(P,) 0-based rank by ascending key within each request; `request` is sorted."""
    order = np.lexsort((key, request))
    first = np.searchsorted(request, request, side="left")
    rank = np.empty(len(request), np.int64)
    rank[order] = np.arange(len(request))
    return np.asarray(rank - first)
