"""The delivery funnel (paper Fig. 2): eligible ads → lightweight ranker → heavyweight ranker → auction → impressions.

The path of a request: its eligible pairs get a lightweight score each; the `keep` with the highest
utility go on; the heavyweight ranker's scores decide a second-price auction among them for `slots` places; what is
shown is paid for (`Pacer`), and counts its true chance of each action.

**Utility** of showing ad a to request r, in the lightweight ranker, the heavyweight ranker and the auction:

    utility(r, a) = m_a · bid_a · P(what a pays for | r, a) + 0.02 · P(good click | r, a)

with P(click) for ads whose goal is a click and 0.12 · P(good click) for those whose goal is a conversion, as in the
auction of the simulated logs; m_a paces the bid. Reading: the paper says that the lightweight ranker is "optimizing all
downstream goals" (Fig. 1) and has no formula. It sees the same bids as the auction, and only the chances are its own.

**Price** of an impression: the least m_a · bid_a · P with which the ad keeps its place, so the next ad's utility less
its own quality term, and at least the reserve. Reading: an impression is charged, for ads that pay by click too.

**Budget** of an ad: for a day. Bids are paced: every quarter of an hour an ad that is ahead of its plan bids a step
less, one that is behind a step more, up to its own bid (the step of Agarwal et al., KDD 2014; paced bids of Balseiro
and Gur, Management Science 2019). The plan spends in proportion to the day's requests. An ad whose budget is spent
stops.

The requests are ones that no log has, on the platform and the ads of a day that one may have. What nobody logs of a
pair (`mtmd.sources.simulated.outcomes`) is a function of the pair alone, so every ranker meets the same people.

Shapes: R requests, A ads, P eligible pairs, T tasks, I impressions, K ads kept, n requests of a time slice.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.errors import EvaluationError
from mtmd.extras.abtest import Settings
from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.outcomes import TASKS, Scores, paid_chance, quality_value, score
from mtmd.sources.simulated.platform import SimulatedPlatform
from mtmd.sources.simulated.population import Floats, Ints, Users, normals
from mtmd.sources.simulated.requests import Pairs, Requests, draw_requests

Chances = NDArray[np.float32]
_START, _APART = 200_000_000, 1_000_000  # numbers of requests: of the first sample, and between samples
BROAD = 100  # most popular ads that target everybody
_BLOCK = 250  # requests whose pairs are looked at together: some 100,000
RESERVE = 0.002  # least price of an impression, in the currency of bids
_SPREAD = 1.0  # standard deviation of the log of a budget
_SLICES = 96  # of a day: bids are paced every quarter of an hour
PACING_STEP = 0.1  # by how much a bid is raised or lowered then
# The least share of its bid that an ad is paced to: so low that it buys next to nothing, and high enough to come back
# from in a day.
_FLOOR = 0.01
_SPENT = 1.0 - 1e-9  # of a budget, which then counts as spent: rounding must not leave it open


@dataclass(frozen=True)
class Traffic:
    """R requests in order of time, the day's A ads, and the P pairs of both that targeting allows.

    first          (R + 1,) pairs of request r are first[r] to first[r + 1] - 1, in order of ads
    truth          (P, T) float32 chances of each task's action, NaN where the product lacks the task
    teacher        (P, T) float32 what the heavyweight ranker predicts of them
    request_rows   (R,) and ad_rows (A,): tables, as the logs have them; all that a lightweight ranker sees
    """

    seed: int
    requests: Requests
    ads: Ads
    pairs: Pairs
    first: Ints
    truth: Chances
    teacher: Chances
    request_rows: pa.Table
    ad_rows: pa.Table


# Scores the eligible pairs of a day's traffic: it sees `request_rows`, `ad_rows` and `pairs`, and returns (P, T)
# chances of the tasks; what it gives for a task that a product lacks is not read.
LightweightRanker = Callable[[Traffic], Chances]


def draw_traffic(
    platform: SimulatedPlatform, day: date, requests: int, sample: int = 0, broad: int = BROAD
) -> Traffic:
    """The day's traffic; each sample has other requests. Raises ConfigError before the world's origin.

    `broad` most popular ads target everybody, beside those on topic, as in the logs.
    """
    ads, ordinal = platform.ads(day), day.toordinal()
    start = _START + _APART * sample
    drawn = draw_requests(platform.population, ordinal, start, start + requests)
    order = np.argsort(drawn.second, kind="stable")
    sorted_requests = _take(drawn, order)
    parts = []
    for begin in range(0, requests, _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, requests))
        block = _take(sorted_requests, rows)
        pairs = eligible(block, ads, broad)
        scored = _score(platform, day, block, ads, pairs)
        parts.append(
            (pairs.request + begin, pairs.ad, scored.truth.astype("f4"), scored.teacher.astype("f4"))
        )
    request, ad, truth, teacher = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Traffic(
        seed=platform.config.seed,
        requests=sorted_requests,
        ads=ads,
        pairs=Pairs(request, ad),
        first=np.searchsorted(request, np.arange(requests + 1)),
        truth=truth,
        teacher=teacher,
        request_rows=platform.book.requests(drawn, ordinal, start).take(order),
        ad_rows=platform.book.ads(ads).take(np.argsort(np.argsort(ads.ad_id))),  # the table is in order of id
    )


def eligible(requests: Requests, ads: Ads, broad: int) -> Pairs:
    """Ads that target a request: on its topic, on an interest of its user, or for everybody (the most popular)."""
    wanted = np.zeros((len(requests), int(ads.topic.max()) + 1), np.bool_)
    rows = np.arange(len(requests))
    for topic in (requests.topic, *requests.users.interests.T):
        known = topic < wanted.shape[1]  # a topic may have no ad
        wanted[rows[known], topic[known]] = True
    allowed = wanted[:, ads.topic]  # (R, A)
    allowed[:, np.argsort(-ads.popularity, kind="stable")[:broad]] = True
    request, ad = np.nonzero(allowed)
    return Pairs(request, ad)


def _score(platform: SimulatedPlatform, day: date, requests: Requests, ads: Ads, pairs: Pairs) -> Scores:
    """(P, T) truth and teacher; what nobody logs is a trait of the pair."""
    drawn = normals(platform.config.seed, "funnel noise", identity(requests, ads, pairs), 2 * len(TASKS))
    logits = platform.effects.logits(requests, ads, pairs, (day - platform.config.origin).days)
    noise = drawn.reshape(-1, 2, len(TASKS)).transpose(1, 0, 2)
    return score(logits, requests, ads, pairs, noise)


def identity(requests: Requests, ads: Ads, pairs: Pairs) -> Ints:
    """(P,) numbers that name each request and ad together, whatever other pairs there are."""
    return np.asarray(requests.request_id[pairs.request] * len(ads.ad_id) + pairs.ad)


def _take(requests: Requests, rows: Ints) -> Requests:
    """Some of the requests, each with its user."""
    users = Users(*(getattr(requests.users, field.name)[rows] for field in fields(Users)))
    columns = {
        field.name: getattr(requests, field.name)[rows]
        for field in fields(Requests)
        if field.name not in ("users", "weekday")
    }
    return replace(requests, users=users, **columns)


@dataclass(frozen=True)
class Delivery:
    """What was shown in a day, I impressions, and what came of it.

    request, ad   (I,) rows of the traffic's requests and ads        slot   (I,) 0 = top
    price         (I,) what was paid, in the currency of bids
    expected      (I, T) true chances of each task's action; NaN where the product lacks the task
    spent, budget (A,) of the day
    """

    request: Ints
    ad: Ints
    slot: Ints
    price: Floats
    expected: Floats
    spent: Floats
    budget: Floats


def deliver(traffic: Traffic, scores: Chances, settings: Settings) -> Delivery:
    """Run a day with a lightweight ranker's scores (P, T).

    Raises EvaluationError where a score that is read is not finite.
    """
    ads, requests = traffic.ads, len(traffic.requests)
    paid, quality = _worth(traffic, scores)
    pacer = Pacer(ads.bid, daily_budgets(traffic.seed, ads, requests * settings.budget))
    edges = np.linspace(0, 86_400, _SLICES + 1)
    shown: list[tuple[Ints, Ints, Floats]] = []
    for start, stop in pairwise(np.searchsorted(traffic.requests.second, edges).tolist()):
        bids = pacer.bids()
        span = slice(traffic.first[start], traffic.first[stop])
        ad = traffic.pairs.ad[span]
        utility = np.where(bids[ad] > 0, bids[ad] * paid[span] + quality[span], -np.inf)
        kept = highest(utility, traffic.first[start : stop + 1] - traffic.first[start], settings.keep)
        pair, slot, price = _auction(
            traffic, np.where(kept >= 0, kept + traffic.first[start], -1), bids, settings.slots
        )
        shown.append((pair, slot, pacer.charge(traffic.pairs.ad[pair], price)))
        pacer.adjust(stop / requests)
    pair, slot, price = (np.concatenate(column) for column in zip(*shown, strict=True))
    return Delivery(
        request=traffic.pairs.request[pair],
        ad=traffic.pairs.ad[pair],
        slot=slot,
        price=price,
        expected=traffic.truth[pair].astype(np.float64),
        spent=pacer.spent,
        budget=pacer.budget,
    )


def _worth(traffic: Traffic, scores: Chances) -> tuple[Chances, Chances]:
    """(P,) chance of what is paid for, and the quality term: a pair's utility is bid · chance + quality."""
    paid = paid_chance(traffic.ads, traffic.pairs.ad, scores).astype(np.float32)
    quality = quality_value(scores).astype(np.float32)
    if bad := int((~np.isfinite(paid) | ~np.isfinite(quality)).sum()):
        raise EvaluationError(
            f"{bad} of {len(paid)} scores of the lightweight ranker are not finite; a ranker must score every pair"
        )
    return paid, quality


def highest(utility: NDArray[np.floating], first: Ints, keep: int) -> Ints:
    """(n, keep) places in `utility` of each request's highest values, in no order; -1 where it has fewer.

    utility  (M,) request by request, -inf of what cannot be shown; first  (n + 1,) where each request's begin
    """
    counts = np.diff(first)
    padded = np.full((len(counts), max(keep, counts.max(initial=0))), -np.inf)
    padded[np.arange(padded.shape[1]) < counts[:, None]] = utility
    place = np.argpartition(-padded, keep - 1, axis=1)[:, :keep]
    value = np.take_along_axis(padded, place, axis=1)
    return np.where(value > -np.inf, first[:-1, None] + place, -1)


def _auction(traffic: Traffic, kept: Ints, bids: Floats, slots: int) -> tuple[Ints, Ints, Floats]:
    """Pairs that are shown, their slots and prices, (I,) each; `kept` (n, K) are rows of pairs, -1 for none."""
    ad = traffic.pairs.ad[kept]
    flat = traffic.teacher[kept.ravel()].astype(np.float64)
    worth = bids[ad] * paid_chance(traffic.ads, ad.ravel(), flat).reshape(kept.shape)
    quality = quality_value(flat).reshape(kept.shape)
    value = np.where((kept >= 0) & (worth >= RESERVE), worth + quality, -np.inf)
    order = np.argsort(-value, axis=1, kind="stable")
    value = np.take_along_axis(value, order, axis=1)
    following = np.pad(value, ((0, 0), (0, 1)), constant_values=-np.inf)[:, 1 : slots + 1]
    shown = value[:, :slots] > -np.inf
    own = np.take_along_axis(quality, order, axis=1)[:, :slots]
    price = np.maximum(RESERVE, following - own)
    slot = np.broadcast_to(np.arange(shown.shape[1]), shown.shape)
    return np.take_along_axis(kept, order, axis=1)[:, :slots][shown], slot[shown], price[shown]


def daily_budgets(seed: int, ads: Ads, total: float) -> Floats:
    """(A,) log-normal and independent of all else; together `total`.

    A trait of the ad, from a stream of its own: nothing in the logs depends on it.
    """
    size = np.exp(_SPREAD * normals(seed, "ad budget", ads.ad_id, 1)[:, 0])
    return np.asarray(size * (total / size.sum()))


class Pacer:
    """What each ad bids at a time of the day, and has spent until then."""

    def __init__(self, bid: Floats, budget: Floats) -> None:
        """bid, budget: (A,), of which nothing is changed."""
        self.budget = budget
        self.spent = np.zeros(len(bid))
        self.multiplier = np.ones(len(bid))
        self._bid = bid

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
        factor = np.where(ahead, 1.0 - PACING_STEP, 1.0 + PACING_STEP)
        self.multiplier = np.clip(self.multiplier * factor, _FLOOR, 1.0)
