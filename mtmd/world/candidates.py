"""Retrieval: which ads the heavyweight ranker scores for a request."""

from dataclasses import dataclass

import numpy as np

from mtmd.world.ads import Ads
from mtmd.world.population import Population
from mtmd.world.requests import Requests
from mtmd.world.streams import Floats, Ints, generator, pick

SHOPPING_SHARE = np.array([0.3, 0.52, 0.18])  # of the candidates, by surface
_SOURCES = np.array([0.5, 0.2, 0.3])  # about the request's topic, about an interest of the user's, popular
_ATTEMPTS = 5


@dataclass(frozen=True)
class Pairs:
    """P (request, ad) pairs, as rows of the block's requests and of the day's ads, sorted by both."""

    request: Ints
    ad: Ints


def draw_pairs(population: Population, requests: Requests, ads: Ads, ordinal: int, start: int) -> Pairs:
    """Distinct candidates of each request; a pair drawn twice is drawn again, then dropped."""
    config = population.config
    rng = generator(config.seed, "candidates", ordinal, start)
    mean = config.candidates_per_request
    counts = rng.integers(mean - mean // 2, mean + mean // 2 + 1, len(requests))
    request = np.repeat(np.arange(len(requests)), counts)  # (P,)
    product = _products(requests, counts, request, rng.random(len(requests)))
    ad = _draw(population, requests, ads, request, product, rng)
    for attempt in range(_ATTEMPTS):
        again = _repeated(request, ad)
        if not len(again):
            break
        if attempt == _ATTEMPTS - 1:
            keep = np.ones(len(ad), bool)
            keep[again] = False
            request, ad = request[keep], ad[keep]
        else:
            ad[again] = _draw(population, requests, ads, request[again], product[again], rng)
    order = np.lexsort((ad, request))
    return Pairs(request[order], ad[order])


def _products(requests: Requests, counts: Ints, request: Ints, offset: Floats) -> Ints:
    """Each request gets its share of shopping ads, up to one: small domains get rows every day."""
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = (np.arange(len(request)) - first[request] + offset[request]) / counts[request]
    return np.asarray(place < SHOPPING_SHARE[requests.surface][request]).astype(np.int64)


def _draw(
    population: Population,
    requests: Requests,
    ads: Ads,
    request: Ints,
    product: Ints,
    rng: np.random.Generator,
) -> Ints:
    u = rng.random((len(request), 3))
    source = pick(u[:, 0], _SOURCES)
    interest = requests.users.interests[request, (u[:, 1] * 3).astype(np.int64)]
    topic = np.where(source == 0, requests.topic[request], interest)
    first, last = ads.group_start[product, topic], ads.group_stop[product, topic]
    anywhere = (source == 2) | (first == last)  # a topic may have no ad of the product
    first = np.where(anywhere, ads.group_start[product, 0], first)
    last = np.where(anywhere, ads.group_stop[product, population.config.topics - 1], last)
    low, high = ads.cumulative[first], ads.cumulative[last]
    found = np.searchsorted(ads.cumulative, low + u[:, 2] * (high - low), side="right") - 1
    return np.asarray(np.clip(found, first, last - 1)).astype(np.int64)


def _repeated(request: Ints, ad: Ints) -> Ints:
    """Rows whose pair was drawn before, in row order."""
    key = request * np.int64(2**31) + ad
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    return np.sort(order[1:][same])
