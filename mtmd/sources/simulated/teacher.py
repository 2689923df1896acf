"""The heavyweight teacher: the true probability as far as it can be seen.

The truth's log-odds have two unlogged parts per row and task: one that the teacher sees (real-time and
cross features of a heavyweight model) and one that it doesn't. Its score is the mean of the truth over the
part that it doesn't see, so E[truth | score] = score by construction, everywhere. What it doesn't see is
larger for rare ads and for thin domains.
"""

from dataclasses import dataclass

import numpy as np

from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.requests import Pairs, Requests
from mtmd.sources.simulated.streams import Floats

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
    structure: Floats  # truth without what is not logged: all that the logs could tell in principle


def score(logits: Floats, requests: Requests, ads: Ads, pairs: Pairs, noise: Floats) -> Scores:
    """Truth and teacher scores from log-odds (P, 3) and what nobody logs.

    noise  (2, P, 3) standard normal, what the teacher sees first
    """
    shopping = ads.product[pairs.ad] == 1
    parts = chances(logits, _SEEN, blind_spot(requests, ads, pairs), noise)
    return Scores(*(_joint(part, shopping) for part in parts))


def chances(base: Floats, sees: Floats, blind: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Truth, teacher's score and structure, (P, K) each, of K tasks given their parents.

    base (P, K) log-odds before what nobody logs; sees (K,) and blind (P,) standard deviations of what the teacher sees
    of that and of what it doesn't; noise (2, P, K) standard normal, what the teacher sees first.
    """
    spread = blind[:, None]  # (P, 1)
    seen = base + sees * noise[0]
    averaged = np.zeros_like(base)
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        averaged += weight * _sigmoid(seen + spread * node)
    return (
        _inside(_sigmoid(seen + spread * noise[1])),
        _inside(averaged),
        _inside(_sigmoid(base)),
    )


def blind_spot(requests: Requests, ads: Ads, pairs: Pairs) -> Floats:
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
