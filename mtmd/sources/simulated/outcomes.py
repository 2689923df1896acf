"""What people would do with an ad, what the teacher thinks of that, and what they do: always according to the truth.

The truth's log-odds have two unlogged parts per row and task: one that the teacher sees (real-time and
cross features of a heavyweight model) and one that it doesn't. Its score is the mean of the truth over the
part that it doesn't see, so E[truth | score] = score by construction, everywhere. What it doesn't see is
larger for rare ads and for thin domains.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.population import Floats, Ints
from mtmd.sources.simulated.requests import Pairs, Requests

TASKS = ("ctr", "gctr", "octr")
_SEEN = np.array([0.08, 0.07, 0.07])  # standard deviation in log-odds, by task
_THIN = np.array([[0.0, 0.01], [0.01, 0.01], [0.02, 0.03]])
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_LIMIT = 1e-5  # scores stay inside (limit, 1 − limit), and a child's share of its parent too


@dataclass(frozen=True)
class Scores:
    """(P, 3) probabilities per impression of ctr, gctr, octr; NaN where a task does not apply."""

    truth: Floats
    teacher: Floats


def score(logits: Floats, requests: Requests, ads: Ads, pairs: Pairs, noise: Floats) -> Scores:
    """Truth and teacher scores from log-odds (P, 3) and what nobody logs.

    noise  (2, P, 3) standard normal, what the teacher sees first
    """
    shopping = ads.product[pairs.ad] == 1
    spread = _blind_spot(requests, ads, pairs)[:, None]  # (P, 1)
    seen = logits + _SEEN * noise[0]
    averaged = np.zeros_like(logits)
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        averaged += weight * _sigmoid(seen + spread * node)
    truth = _sigmoid(seen + spread * noise[1])
    return Scores(_joint(_inside(truth), shopping), _joint(_inside(averaged), shopping))


def _blind_spot(requests: Requests, ads: Ads, pairs: Pairs) -> Floats:
    """(P,) standard deviation in log-odds of what the teacher doesn't see."""
    rare = 1.0 / np.sqrt(1.0 + ads.impressions_7d / 20.0)
    return np.asarray(
        0.085 + 0.07 * rare[pairs.ad] + _THIN[requests.surface[pairs.request], ads.product[pairs.ad]]
    )


def _joint(chain: Floats, shopping: Floats) -> Floats:
    """P(click), P(click) · P(good | click), P(click) · P(outbound | click); no outbound on shopping."""
    joint = chain.copy()
    joint[:, 1:] *= chain[:, :1]
    joint[shopping, 2] = np.nan
    return joint


def _inside(chance: Floats) -> Floats:
    return np.asarray(np.clip(chance, _LIMIT, 1.0 - _LIMIT))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


Bools = NDArray[np.bool_]
_CONVERSIONS = 0.12  # of good clicks
_QUALITY = 0.02  # what a good click is worth to the platform, in the currency of bids


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
    reactions = following_clicks(ctr)
    clicked = u[:, 1] < ctr
    return Actions(
        impressed=impressed,
        position=place,
        clicked=clicked,
        good_clicked=clicked & (u[:, 2] < gctr / ctr),
        outbound_clicked=clicked & (u[:, 3] < np.nan_to_num(octr) / ctr),
        hidden=~clicked & (u[:, 4] < reactions[:, 0]),
        repinned=u[:, 5] < reactions[:, 1],
    )


def following_clicks(ctr: Floats) -> Floats:
    """(P, 2) chance that an ad is hidden where it was not clicked, and that it is saved, from that of a click."""
    hidden = 0.004 + 0.02 * np.exp(-20.0 * ctr)
    saved = np.minimum(0.002 + 0.25 * ctr, 0.5)
    return np.stack([hidden, saved], axis=1)


def auction_score(ads: Ads, pairs: Pairs, teacher: Floats) -> Floats:
    """(P,) expected value of showing each ad: its bid times the chance of what it pays for, and quality."""
    return np.asarray(ads.bid[pairs.ad] * paid_chance(ads, pairs.ad, teacher) + quality_value(teacher))


def paid_chance(ads: Ads, ad: Ints, scores: NDArray[np.floating]) -> Floats:
    """(P,) chance of what each ad pays for, its goal: a click, or a conversion, which follows a good click."""
    return np.asarray(np.where(ads.conversion[ad] == 1, _CONVERSIONS * scores[:, 1], scores[:, 0]))


def quality_value(scores: NDArray[np.floating]) -> Floats:
    """(P,) what the platform adds to a bid for the people's sake: the worth of a good click times its chance."""
    return np.asarray(_QUALITY * scores[:, 1])


def _rank(request: Ints, key: Floats) -> Ints:
    """(P,) 0-based rank by ascending key within each request; `request` is sorted."""
    order = np.lexsort((key, request))
    first = np.searchsorted(request, request, side="left")
    rank = np.empty(len(request), np.int64)
    rank[order] = np.arange(len(request))
    return np.asarray(rank - first)
