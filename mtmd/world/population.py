"""Who and what there is: users, search terms, subject pins and the stream of ads, with hidden vectors.

U users, M terms, S pins, A ads, L latent width. The truth is computed from hidden vectors; the logs only ever
show noisy, rotated, squashed views of them.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mtmd.world.config import WorldConfig

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

VECTOR_WIDTH = 16
VIEWS = ("user", "history", "query", "subject", "ad")
COUNTRIES = ("us", "gb", "de", "fr", "br", "jp", "mx", "ca", "au", "in", "it", "es")
DEVICES = ("ios", "android", "web", "tablet")
FORMATS = ("image", "video", "carousel", "collection")
GOALS = ("click", "conversion")
STYLES = tuple(f"style_{i}" for i in range(24))
STANDARD, SHOPPING = 0, 1
_BEFORE_ORIGIN = 10_000  # added to days of birth, which are negative for ads older than the origin
_ADVERTISERS = 500


class Stream(IntEnum):
    """What random numbers are for. A new purpose takes a new number, so that the others' draws stay."""

    POPULATION = 1
    COHORT = 2
    ADVERTISERS = 3
    COUNTERS = 5
    CHUNK = 6
    REQUESTS_TABLE = 7
    ADS_TABLE = 8
    AD_VECTORS = 9
    TEACHER = 10


def stream(config: WorldConfig, purpose: Stream, *place: int) -> np.random.Generator:
    """The random numbers of one purpose at one place (day, first request), independent of all others."""
    return np.random.default_rng([config.seed, purpose, *place])


@dataclass(frozen=True)
class Population:
    """What does not change from day to day."""

    topics: Floats  # (topics, L)
    views: dict[str, Floats]  # how user, history, query, subject and ad vectors are logged: (L, 16) each
    user: Floats  # (U, L)
    user_topic: Integers  # (U,)
    country: Integers  # (U,), as the five below
    device: Integers
    activity: Floats  # log-normal
    budget: Floats  # log price that suits the user
    patience: Floats  # taste for landing pages that take time
    novelty: Floats  # taste for new ads
    term: Floats  # (M, L)
    term_topic: Integers
    term_intent: Floats  # (M,) how much the searcher wants to buy
    term_weight: Floats
    pin: Floats  # (S, L)
    pin_topic: Integers
    pin_saves: Floats  # (S,) log-normal
    pin_weight: Floats
    hour_goal: Floats  # (24, goals)
    device_format: Floats  # (3 surfaces, devices, formats)
    category_shift: Floats  # (3 surfaces, topics)
    country_style: Floats  # (countries, styles)


@dataclass(frozen=True)
class Ads:
    """The ads alive on one day, oldest first."""

    ad_id: Integers
    born: Integers  # day index; the ad is first in the snapshot of the day after
    product: Integers
    latent: Floats  # (A, L)
    topic: Integers
    advertiser: Integers
    format: Integers
    goal: Integers
    style: Integers
    quality: Floats
    landing: Floats
    log_price: Floats
    discount: Floats
    rating: Floats
    bid: Floats
    popularity: Floats  # heavy-tailed weight


@lru_cache(maxsize=4)
def population(config: WorldConfig) -> Population:
    """Users, terms, pins and the fixed effects."""
    random = stream(config, Stream.POPULATION)
    width, topics = config.latent, random.normal(size=(config.topics, config.latent))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)

    def near(count: int, spread: float) -> tuple[Floats, Integers]:
        topic = random.choice(config.topics, size=count, p=_zipf(config.topics, 0.7))
        return topics[topic] + spread * random.normal(size=(count, width)) / np.sqrt(width), topic

    user, user_topic = near(config.users, 0.8)
    user += 0.6 * topics[random.integers(config.topics, size=config.users)]
    term, term_topic = near(config.terms, 0.4)
    pin, pin_topic = near(config.pins, 0.6)
    return Population(
        topics=topics,
        views={name: random.normal(size=(width, VECTOR_WIDTH)) for name in VIEWS},
        user=user,
        user_topic=user_topic,
        country=random.choice(len(COUNTRIES), size=config.users, p=_zipf(len(COUNTRIES), 1.0)),
        device=random.choice(len(DEVICES), size=config.users, p=[0.42, 0.38, 0.14, 0.06]),
        activity=random.lognormal(2.0, 1.0, size=config.users),
        budget=random.normal(3.4, 0.8, size=config.users),
        patience=random.normal(size=config.users),
        novelty=random.normal(size=config.users),
        term=term,
        term_topic=term_topic,
        term_intent=random.normal(size=config.terms),
        term_weight=_zipf(config.terms, 1.0),
        pin=pin,
        pin_topic=pin_topic,
        pin_saves=random.lognormal(4.0, 1.5, size=config.pins),
        pin_weight=_zipf(config.pins, 0.9),
        hour_goal=0.35 * random.normal(size=(24, len(GOALS))),
        device_format=0.45 * random.normal(size=(3, len(DEVICES), len(FORMATS))),
        category_shift=0.4 * random.normal(size=(3, config.topics)),
        country_style=0.35 * random.normal(size=(len(COUNTRIES), len(STYLES))),
    )


def ads_alive(config: WorldConfig, day: int) -> Ads:
    """The ads alive at the start of a day: those born on each of the last `ad_life_days` days."""
    cohorts = [_cohort(config, day - age) for age in range(config.ad_life_days, 0, -1)]
    return Ads(
        *(np.concatenate([getattr(cohort, name) for cohort in cohorts]) for name in Ads.__dataclass_fields__)
    )


@lru_cache(maxsize=256)
def _cohort(config: WorldConfig, born: int) -> Ads:
    """The ads born on one day: ids never repeat, and nothing depends on another day."""
    random, count = stream(config, Stream.COHORT, born + _BEFORE_ORIGIN), config.new_ads_per_day
    people = population(config)
    product = (random.random(count) < 0.45).astype(np.int64)
    topic = random.choice(config.topics, size=count, p=_zipf(config.topics, 0.7))
    latent = people.topics[topic] + 0.5 * random.normal(size=(count, config.latent)) / np.sqrt(config.latent)
    advertiser = np.minimum(random.zipf(1.6, size=count), _ADVERTISERS).astype(np.int64)
    lift = stream(config, Stream.ADVERTISERS).normal(size=_ADVERTISERS + 1)[
        advertiser
    ]  # some advertisers make better ads
    return Ads(
        ad_id=(born + _BEFORE_ORIGIN) * count + np.arange(count) + 1,
        born=np.full(count, born),
        product=product,
        latent=latent,
        topic=topic,
        advertiser=advertiser,
        format=random.choice(len(FORMATS), size=count, p=[0.55, 0.2, 0.15, 0.1]),
        goal=(random.random(count) < np.where(product == SHOPPING, 0.7, 0.25)).astype(np.int64),
        style=random.integers(len(STYLES), size=count),
        quality=0.5 * lift + 0.8 * random.normal(size=count),
        landing=0.5 * lift + 0.8 * random.normal(size=count),
        log_price=random.normal(3.4, 1.0, size=count),
        discount=np.where(random.random(count) < 0.4, random.uniform(0.05, 0.6, size=count), 0.0),
        rating=np.clip(random.normal(4.1 + 0.2 * lift, 0.5), 1.0, 5.0),
        bid=random.lognormal(0.0, 0.7, size=count),
        popularity=random.pareto(1.1, size=count) + 0.1,
    )


def _zipf(count: int, exponent: float) -> Floats:
    weight = np.arange(1, count + 1) ** -exponent
    return np.asarray(weight / weight.sum())
