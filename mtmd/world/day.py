"""One simulated day, chunk by chunk: requests, candidates, scores, the auction's impressions, and actions.

R requests of a chunk, P pairs, A ads. A chunk depends on (config, day, chunk number) only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtmd.world.config import WorldConfig
from mtmd.world.population import STANDARD, Ads, Floats, Integers, ads_alive, population, stream
from mtmd.world.teacher import noise_scale, score, sigmoid
from mtmd.world.truth import Requests, Truth, truth

_HOURS = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 8, 7, 7, 7, 8, 9, 10, 11, 10, 7, 4], dtype=np.float64
)
_ADS, _COUNTERS, _CHUNK = 4, 5, 6  # streams of a day


@dataclass(frozen=True)
class Counters:
    """What an ad's snapshot says of its past, as of the start of the day: (A,)."""

    impressions: Floats
    ctr: Floats


@dataclass(frozen=True)
class Chunk:
    """Some requests with all their candidates.

    row, ad     (P,) rows of `requests` and of the day's ads
    scores      (P, 3) teacher: click, good click, outbound click (NaN on shopping)
    true        (P, 3) true probabilities, the same way
    """

    requests: Requests
    row: Integers
    ad: Integers
    scores: Floats
    true: Floats
    impressed: np.ndarray  # (P,) bool
    position: Integers
    clicked: np.ndarray
    good_clicked: np.ndarray
    outbound_clicked: np.ndarray
    hidden: np.ndarray
    repinned: np.ndarray


def counters(config: WorldConfig, day: int, ads: Ads) -> Counters:
    """Rolling seven-day counters: heavy-tailed, zero for ads born today, noisy about the ad's own rate."""
    random = stream(config, _COUNTERS, day)
    age = np.minimum(day - ads.born - 1, 7)
    impressions = random.poisson(np.minimum(ads.popularity * 40.0 * age, 1e6)).astype(np.float64)
    rate = sigmoid(-3.3 + 0.7 * ads.quality)
    clicks = random.binomial(impressions.astype(np.int64), rate)
    return Counters(impressions, (clicks + 1.0) / (impressions + 30.0))


def chunks(config: WorldConfig, day: int) -> Iterator[Chunk]:
    """The day in chunks of `chunk_requests` requests."""
    ads = ads_alive(config, day)
    seen = counters(config, day, ads)
    for first in range(0, config.requests_per_day, config.chunk_requests):
        count = min(config.chunk_requests, config.requests_per_day - first)
        yield _chunk(config, day, first, count, ads, seen)


def _chunk(config: WorldConfig, day: int, first: int, count: int, ads: Ads, seen: Counters) -> Chunk:
    random = stream(config, _CHUNK, day, first)
    requests = _requests(config, day, first, count, random)
    row, ad = _candidates(config, requests, ads, random)
    odds = truth(config, day, requests, ads, row, ad, seen.impressions)
    domain = requests.surface[row] * 2 + ads.product[ad]
    thin = np.array([0.0, 0.02, 0.04, 0.08, 0.0, 0.02])[domain]
    sigma = noise_scale(seen.impressions[ad], thin)
    true = _tree(sigmoid(odds.click), sigmoid(odds.good), sigmoid(odds.outbound), ads.product[ad])
    scores = _tree(
        score(random, odds.click, sigma, domain),
        score(random, odds.good, sigma, domain),
        score(random, odds.outbound, sigma, domain),
        ads.product[ad],
    )
    impressed, position = _auction(config, row, scores[:, 0] * ads.bid[ad], random)
    return Chunk(requests, row, ad, scores, true, impressed, position, *_actions(odds, random))


def _requests(config: WorldConfig, day: int, first: int, count: int, random: np.random.Generator) -> Requests:
    people = population(config)
    user = random.choice(config.users, size=count, p=people.activity / people.activity.sum())
    surface = random.choice(3, size=count, p=config.surface_shares)
    hour = random.choice(24, size=count, p=_HOURS / _HOURS.sum())
    mood = random.normal(size=(count, config.latent)) / np.sqrt(config.latent)
    topic = np.where(
        random.random(count) < 0.6, people.user_topic[user], random.integers(config.topics, size=count)
    )
    return Requests(
        request_id=np.int64(day) * 1_000_000_000 + first + np.arange(count) + 1,
        second=hour * 3600 + random.integers(3600, size=count),
        surface=surface,
        user=user,
        term=random.choice(config.terms, size=count, p=people.term_weight),
        pin=random.choice(config.pins, size=count, p=people.pin_weight),
        history=0.5 * people.user[user] + 0.5 * people.topics[topic] + 0.5 * mood,
        history_topic=topic,
        history_length=random.poisson(people.activity[user]) + 1,
    )


def _candidates(
    config: WorldConfig, requests: Requests, ads: Ads, random: np.random.Generator
) -> tuple[Integers, Integers]:
    """What retrieval brought: popular ads are brought more often; no ad twice in a request."""
    mean = config.candidates_per_request
    sizes = random.integers(max(mean // 2, 1), mean + (mean + 1) // 2 + 1, size=len(requests.surface))
    row = np.repeat(np.arange(len(sizes)), sizes)
    shopping = random.random(len(row)) < np.asarray(config.shopping_shares)[requests.surface[row]]
    ad = np.empty(len(row), dtype=np.int64)
    for product in (0, 1):
        pool, wanted = np.flatnonzero(ads.product == product), shopping == bool(product)
        weight = np.minimum(ads.popularity[pool], np.quantile(ads.popularity[pool], 0.995))
        ad[wanted] = random.choice(pool, size=int(wanted.sum()), p=weight / weight.sum())
    _, kept = np.unique(row * len(ads.ad_id) + ad, return_index=True)
    kept.sort()
    return row[kept], ad[kept]


def _tree(click: Floats, good: Floats, outbound: Floats, product: Integers) -> Floats:
    """Given-click probabilities times the click's: (P, 3), NaN where shopping has no outbound click."""
    outbound = np.where(product == STANDARD, click * outbound, np.nan)
    return np.stack([click, click * good, outbound], axis=1)


def _auction(
    config: WorldConfig, row: Integers, value: Floats, random: np.random.Generator
) -> tuple[np.ndarray, Integers]:
    """The best few of each request by score × bid, with noise that explores; positions count from 1."""
    explored = np.log(value) + 0.5 * random.gumbel(size=len(value))
    order = np.lexsort((-explored, row))
    first = np.searchsorted(row[order], row[order])
    rank = np.empty(len(row), dtype=np.int64)
    rank[order] = np.arange(len(row)) - first + 1
    return rank <= config.impressions_per_request, rank


def _actions(odds: Truth, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """What the user would do, drawn from the truth: clicked, good, outbound, hidden, repinned."""
    u = random.random((5, len(odds.click)))
    clicked = u[0] < sigmoid(odds.click)
    good, outbound = clicked & (u[1] < sigmoid(odds.good)), clicked & (u[2] < sigmoid(odds.outbound))
    hidden = ~clicked & (u[3] < sigmoid(-5.0 - 0.4 * odds.click))
    repinned = u[4] < sigmoid(0.6 * odds.click - 2.5)
    return clicked, good, outbound, hidden, repinned
