"""Budgets, and how bids are paced so that they last a day.

A budget is an ad's for a day. Bids are paced, not chances to take part: every quarter of an hour an ad that is ahead of
its plan bids a step less, one that is behind a step more, up to its own bid. The plan spends in proportion to the day's
requests. The step is that of Agarwal et al., "Budget pacing for targeted online advertisements at LinkedIn" (KDD 2014),
who pace the chance to take part; a paced bid is what Balseiro and Gur, "Learning in repeated auctions with budgets"
(Management Science 2019), show to be the better one. An ad whose budget is spent stops.
A ads, I impressions.
"""

import numpy as np

from mtmd.world.ads import Ads
from mtmd.world.config import FunnelConfig
from mtmd.world.streams import Floats, Ints, normals

_FLOOR = 0.01  # of the bid: so low that it buys next to nothing, and high enough to come back from in a day
_SPENT = 1.0 - 1e-9  # rounding must not leave a spent budget open


def daily_budgets(seed: int, ads: Ads, requests: int, config: FunnelConfig) -> Floats:
    """(A,) log-normal and independent of all else; together `config.budget` per request.

    A trait of the ad, from a stream of its own: nothing in the logs depends on it.
    """
    size = np.exp(config.budget_spread * normals(seed, "ad budget", ads.ad_id, 1)[:, 0])
    return np.asarray(size * (config.budget * requests / size.sum()))


class Pacer:
    """What each ad bids at a time of the day, and has spent until then."""

    def __init__(self, bid: Floats, budget: Floats, step: float) -> None:
        """bid, budget: (A,), of which nothing is changed."""
        self.budget = budget
        self.spent = np.zeros(len(bid))
        self.multiplier = np.ones(len(bid))
        self._bid, self._step = bid, step

    def bids(self) -> Floats:
        """(A,) paced bids; 0 of what has nothing left."""
        return np.where(self.spent < _SPENT * self.budget, self._bid * self.multiplier, 0.0)

    def charge(self, ad: Ints, price: Floats) -> Floats:
        """(I,) what is really paid for simultaneous impressions: together not more than is left of the budget."""
        due = np.bincount(ad, price, minlength=len(self.budget))
        share = np.minimum(1.0, (self.budget - self.spent) / np.maximum(due, 1e-300))
        self.spent = np.minimum(self.spent + due * share, self.budget)
        return np.asarray(price * share[ad])

    def adjust(self, elapsed: float) -> None:
        """Pace the bids after this share of the day's requests."""
        ahead = self.spent > elapsed * self.budget
        factor = np.where(ahead, 1.0 - self._step, 1.0 + self._step)
        self.multiplier = np.clip(self.multiplier * factor, _FLOOR, 1.0)
