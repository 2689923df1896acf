"""The requests of a block, and which ads the heavyweight ranker scores for each (retrieval).

A request says who asks, where, about what, and what each surface knows of it. Search has a query, related_pin a subject
pin, home_feed a history. What a request really wants is `want`, a mixture of the user's taste and that context which
the logs never show.
"""

from dataclasses import dataclass

import numpy as np

from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.population import (
    Floats,
    Ints,
    Population,
    Users,
    generator,
    pick,
    power_law,
    uniforms,
    unit,
)

SURFACES = ("home_feed", "search", "related_pin")
HOME, SEARCH, RELATED = 0, 1, 2
SURFACE_SHARE = np.array([0.49, 0.32, 0.19])
_TASTE = np.array([0.55, 0.3, 0.4])  # weight of the user's taste beside the context, by surface
_DAY_SECONDS = 86_400
_WEEKEND_TRAFFIC = 1.1

SHOPPING_SHARE = np.array([0.3, 0.52, 0.18])  # shopping ads among the candidates, by surface
# Of candidates: about the request's topic, about an interest of the user's, popular.
_SOURCES = np.array([0.5, 0.2, 0.3])
_REDRAWS = 4  # of a candidate that its request has already


@dataclass(frozen=True)
class Requests:
    """R requests in order of id; columns that a surface lacks hold numbers that nothing reads."""

    request_id: Ints
    second: Floats  # of the day, UTC
    surface: Ints
    users: Users  # one row per request
    topic: Ints  # what the request is about
    context: Floats  # (R, L) the history, the query or the subject pin
    want: Floats  # (R, L)
    history_length: Floats
    term: Ints
    intent: Floats  # of the search term; 0 elsewhere
    query_words: Ints
    pin: Ints
    fame: Floats  # of the subject pin; 0 elsewhere
    weekday: int  # 1 = Monday … 7 = Sunday

    @property
    def weekend(self) -> float:
        return 1.0 if self.weekday >= 6 else 0.0

    @property
    def hour(self) -> Ints:
        return (self.second // 3600).astype(np.int64)

    def __len__(self) -> int:
        return len(self.request_id)


@dataclass(frozen=True)
class Pairs:
    """P (request, ad) pairs, as rows of the block's requests and of the day's ads, sorted by both."""

    request: Ints
    ad: Ints


def draw_requests(population: Population, ordinal: int, start: int, stop: int) -> Requests:
    """Requests start..stop-1 of a day. Reproducible for a block as a whole."""
    config = population.config
    day = ordinal - config.origin.toordinal()
    rng = generator(config.seed, "requests", ordinal, start)
    count = stop - start
    u = rng.random((count, 8))
    # A golden-ratio sequence gives each surface its share of every stretch of requests, however short.
    offset = uniforms(config.seed, "surface turn", np.array([ordinal]), 1)[0, 0]
    turn = np.modf(np.arange(start, stop) * 0.618033988749895 + offset)[0]
    surface = pick(turn, SURFACE_SHARE)
    users = population.users(power_law(u[:, 0], config.users, 1.8))
    topic = _topics(population, users, surface, u[:, 1], u[:, 2], day)
    # The term and the pin of a rank among those of the topic.
    term = topic + config.topics * power_law(u[:, 3], config.terms // config.topics, 2.0)
    pin = topic + config.topics * power_law(u[:, 3], config.pins // config.topics, 1.6)
    term_latent, intent = population.terms(term)
    pin_latent, fame = population.pin_contents(pin)
    history = unit(
        users.latent + 0.6 * population.centres[topic] + 0.45 * rng.standard_normal(pin_latent.shape)
    )
    context = np.choose(surface[:, None], [history, term_latent, pin_latent])
    taste = _TASTE[surface][:, None]
    return Requests(
        request_id=np.int64(ordinal) * 1_000_000_000 + np.arange(start, stop, dtype=np.int64),
        second=_seconds(u[:, 4], surface),
        surface=surface,
        users=users,
        topic=topic,
        context=context,
        want=unit(taste * users.latent + (1.0 - taste) * context),
        history_length=np.floor(users.activity * np.exp(2.0 + 0.8 * rng.standard_normal(count))),
        term=term,
        intent=np.where(surface == SEARCH, intent, 0.0),
        query_words=1 + rng.poisson(np.exp(0.7 - 0.35 * intent)),
        pin=pin,
        fame=np.where(surface == RELATED, fame, 0.0),
        weekday=weekday(ordinal),
    )


def draw_pairs(population: Population, requests: Requests, ads: Ads, ordinal: int, start: int) -> Pairs:
    """Distinct candidates of each request; a pair drawn twice is drawn again a few times, then dropped."""
    config = population.config
    rng = generator(config.seed, "candidates", ordinal, start)
    mean = config.candidates_per_request
    counts = rng.integers(mean - mean // 2, mean + mean // 2 + 1, len(requests))
    request = np.repeat(np.arange(len(requests)), counts)  # (P,)
    product = _products(requests, counts, request, rng.random(len(requests)))
    ad = _draw(population, requests, ads, request, product, rng)
    for _ in range(_REDRAWS):
        again = _repeated(request, ad)
        ad[again] = _draw(population, requests, ads, request[again], product[again], rng)
    dropped = _repeated(request, ad)
    request, ad = np.delete(request, dropped), np.delete(ad, dropped)
    order = np.lexsort((ad, request))
    return Pairs(request[order], ad[order])


def request_count(config: WorldConfig, ordinal: int) -> int:
    """Requests of the day with this proleptic ordinal: weekends are busier, Tuesdays quieter."""
    day = weekday(ordinal)
    factor = _WEEKEND_TRAFFIC if day >= 6 else 1.0 - 0.02 * (3 - abs(day - 2))
    return max(1, round(config.requests_per_day * factor))


def weekday(ordinal: int) -> int:
    """ISO weekday of the day with this proleptic ordinal: 1 = Monday … 7 = Sunday."""
    return (ordinal + 6) % 7 + 1


def _topics(population: Population, users: Users, surface: Ints, u: Floats, v: Floats, day: int) -> Ints:
    """An interest of the user, or what is in fashion; people search more widely than they browse."""
    interest = users.interests[np.arange(len(u)), pick(v, np.array([0.5, 0.3, 0.2]))]
    fashion = pick(v, np.exp(0.6 * population.trend(day)))
    return np.where(u < np.array([0.85, 0.45, 0.65])[surface], interest, fashion)


def _seconds(u: Floats, surface: Ints) -> Floats:
    """Times of a day with a peak that depends on the surface, from the inverse of its distribution."""
    peak = np.array([20.0, 14.0, 21.0])[surface] / 24
    turns = u - 0.6 * np.sin(2 * np.pi * (u - peak)) / (2 * np.pi)
    return np.mod(turns, 1.0) * (_DAY_SECONDS - 1)


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
