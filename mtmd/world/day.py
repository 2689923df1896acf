"""One simulated day, chunk by chunk: requests, candidates, scores, the auction's impressions, and actions.

R requests of a chunk, P pairs, A ads. A chunk depends on (config, day, chunk number) only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mtmd.world.config import WorldConfig
from mtmd.world.population import STANDARD, Ads, Floats, Integers, Stream, ads_alive, population, stream
from mtmd.world.teacher import Prior, measure_prior, noise_scale, score, sigmoid
from mtmd.world.truth import Requests, Truth, truth

_HOURS = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 8, 8, 7, 7, 7, 8, 9, 10, 11, 10, 7, 4], dtype=np.float64
)
_REFERENCE_PAIRS, _LEAST_REFERENCE_REQUESTS = 48_000, 600
_DOMAIN_NOISE = np.array([0.0, 0.02, 0.04, 0.08, 0.0, 0.02])  # the teacher knows small domains less well
_AUCTION_NOISE = 0.5  # Gumbel scale: explores below the best


Bools = NDArray[np.bool_]


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
    position    (P,) rank in the auction, from 1; the best few are impressed
    clicked …   (P,) what the user does if shown: only impressed rows are ever logged
    """

    requests: Requests
    row: Integers
    ad: Integers
    scores: Floats
    true: Floats
    impressed: Bools  # (P,)
    position: Integers
    clicked: Bools
    good_clicked: Bools
    outbound_clicked: Bools
    hidden: Bools
    repinned: Bools


def counters(config: WorldConfig, day: int, ads: Ads) -> Counters:
    """Seven-day counters at the day's start: heavy-tailed, 0 for new ads, noisy about the ad's own rate."""
    random = stream(config, Stream.COUNTERS, day)
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
    random = stream(config, Stream.CHUNK, day, first)
    requests = _requests(config, day, first, count, random)
    shopping_share = np.asarray(config.shopping_shares)[requests.surface]
    row, ad = _candidates(config, ads, shopping_share, random)
    odds = truth(config, day, requests, ads, row, ad, seen.impressions)
    domain = _domain(requests, ads, row, ad)
    sigma = noise_scale(seen.impressions[ad], _DOMAIN_NOISE[domain])
    click, good, outbound = teacher_priors(config)
    true = _tree(sigmoid(odds.click), sigmoid(odds.good), sigmoid(odds.outbound), ads.product[ad])
    scores = _tree(
        score(random, odds.click, sigma, domain, click),
        score(random, odds.good, sigma, domain, good),
        score(random, odds.outbound, sigma, domain, outbound),
        ads.product[ad],
    )
    impressed, position = _auction(config, row, scores[:, 0] * ads.bid[ad], random)
    return Chunk(requests, row, ad, scores, true, impressed, position, *_actions(odds, random))


@lru_cache(maxsize=4)
def teacher_priors(config: WorldConfig) -> tuple[Prior, Prior, Prior]:
    """What the teacher knows of click, good and outbound log-odds by domain: from a sample of the first day.

    The sample has as many pairs of every domain, however rare the domain is.
    """
    random = stream(config, Stream.TEACHER)
    count = max(_LEAST_REFERENCE_REQUESTS, _REFERENCE_PAIRS // config.candidates_per_request)
    requests = replace(_requests(config, 0, 0, count, random), surface=np.arange(count) % 3)
    ads = ads_alive(config, 0)
    row, ad = _candidates(config, ads, np.full(count, 0.5), random)
    odds = truth(config, 0, requests, ads, row, ad, counters(config, 0, ads).impressions)
    domain = _domain(requests, ads, row, ad)
    return (
        measure_prior(odds.click, domain),
        measure_prior(odds.good, domain),
        measure_prior(odds.outbound, domain),
    )


def _domain(requests: Requests, ads: Ads, row: Integers, ad: Integers) -> Integers:
    """Index (P,) of each pair's domain: surfaces in order, standard before shopping."""
    return np.asarray(requests.surface[row] * 2 + ads.product[ad])


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
    config: WorldConfig, ads: Ads, shopping_share: Floats, random: np.random.Generator
) -> tuple[Integers, Integers]:
    """What retrieval brought for requests (R,): popular ads more often, no ad twice in a request.

    Returns (P,) rows of the requests, in order, and of the ads.
    """
    mean = config.candidates_per_request
    sizes = random.integers(max(mean // 2, 1), mean + (mean + 1) // 2 + 1, size=len(shopping_share))
    row = np.repeat(np.arange(len(sizes)), sizes)
    shopping = random.random(len(row)) < shopping_share[row]
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
) -> tuple[Bools, Integers]:
    """The best few of each request by score × bid, with noise that explores; positions count from 1."""
    explored = np.log(value) + _AUCTION_NOISE * random.gumbel(size=len(value))
    order = np.lexsort((-explored, row))
    first = np.searchsorted(row[order], row[order])
    rank = np.empty(len(row), dtype=np.int64)
    rank[order] = np.arange(len(row)) - first + 1
    return rank <= config.impressions_per_request, rank


def _actions(odds: Truth, random: np.random.Generator) -> tuple[Bools, ...]:
    """What the user would do, drawn from the truth: clicked, good, outbound, hidden, repinned."""
    u = random.random((5, len(odds.click)))
    clicked = u[0] < sigmoid(odds.click)
    good, outbound = clicked & (u[1] < sigmoid(odds.good)), clicked & (u[2] < sigmoid(odds.outbound))
    hidden = ~clicked & (u[3] < sigmoid(-5.0 - 0.4 * odds.click))
    repinned = u[4] < sigmoid(0.6 * odds.click - 2.5)
    return clicked, good, outbound, hidden, repinned
