"""The ads of a day: slots whose tenants change, so that any day is known without the days before it.

Slot k of A has an own period; the ad in it on day d is its generation ⌊(d + phase) / period⌋.
"""

from dataclasses import dataclass

import numpy as np

from mtmd.sources.simulated.population import (
    Floats,
    Ints,
    Population,
    generator,
    normals,
    pick,
    uniforms,
    unit,
)

FORMATS = ("image", "video", "carousel", "collection")
STYLES = tuple(f"style-{i:02d}" for i in range(24))
_SUBCATEGORIES = 8
_COUNTER_DAYS = 7
_POPULARITY_CAP = 200.0


@dataclass(frozen=True)
class Ads:
    """The A ads alive on a day, sorted by product and topic; scalars are about standard normal."""

    ad_id: Ints
    product: Ints  # 0 standard, 1 shopping
    topic: Ints
    advertiser: Ints
    format: Ints
    conversion: Ints  # 1 when the goal is a conversion
    style: Ints
    category: Ints
    age: Floats  # whole days since its first one
    latent: Floats  # (A, L)
    quality: Floats
    appeal: Floats  # draws clicks that are not good ones
    landing: Floats
    price: Floats
    discount: Floats  # 0..1; 0 = none
    rating: Floats
    bid: Floats
    popularity: Floats  # retrieval weight, Pareto-tailed
    impressions_7d: Ints
    clicks_7d: Ints
    group_start: Ints  # (2, topics) first ad of (product, topic)
    group_stop: Ints
    cumulative: Floats  # (A + 1,) running sum of popularity


class AdMarket:
    """Knows which ads are alive on a day."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.config = population.config
        rng = generator(self.config.seed, "slots")
        slots = self.config.ads
        raw = np.exp(0.9 * rng.standard_normal(slots))
        scale = self.config.new_ads_per_day / slots
        self.period = np.maximum(1, np.round(raw * np.mean(1 / raw) / scale)).astype(np.int64)
        self.phase = (rng.random(slots) * self.period).astype(np.int64)

    def alive(self, day: int) -> tuple[Ints, Ints]:
        """Ids and ages in days of the ads alive on a day, by slot."""
        slots = np.arange(self.config.ads, dtype=np.int64)
        generation, age = np.divmod(day + self.phase, self.period)
        return 1 + slots + self.config.ads * generation, age

    def ads(self, day: int) -> Ads:
        """The day's ads with their counters as of its start."""
        ids, age = self.alive(day)
        impressions, clicks = self._counters(day, ids, age)
        product, topic, advertiser = self._identity(ids)
        order = np.lexsort((ids, topic, product))
        ids, age_days, product, topic = ids[order], age[order].astype(float), product[order], topic[order]
        advertiser = advertiser[order]
        seed = self.config.seed
        u, z = uniforms(seed, "ad", ids, 8), normals(seed, "ad traits", ids, 6)
        shopping = product == 1
        conversion = (u[:, 0] < np.where(shopping, 0.7, 0.35)).astype(np.int64)
        popularity = _popularity(u[:, 7], age_days)
        group = product * self.config.topics + topic
        keys = np.arange(2 * self.config.topics)
        shape = (2, self.config.topics)
        return Ads(
            ad_id=ids,
            product=product,
            topic=topic,
            advertiser=advertiser,
            format=np.where(
                shopping,
                pick(u[:, 1], np.array([0.35, 0.1, 0.25, 0.3])),
                pick(u[:, 1], np.array([0.55, 0.3, 0.12, 0.03])),
            ),
            conversion=conversion,
            style=np.minimum(u[:, 2] ** 1.5 * len(STYLES), len(STYLES) - 1).astype(np.int64),
            category=topic * _SUBCATEGORIES + (u[:, 3] ** 1.5 * _SUBCATEGORIES).astype(np.int64),
            age=age_days,
            latent=self._latent(ids, topic, advertiser),
            quality=self._quality(ids, advertiser),
            appeal=z[:, 1],
            landing=0.5 * z[:, 0] + 0.85 * z[:, 2],
            price=0.8 * z[:, 3] + 0.6 * np.sin(2.4 * topic),
            discount=np.where(u[:, 4] < 0.45, 0.0, 0.05 + 0.6 * u[:, 5] ** 1.5),
            rating=0.6 * z[:, 0] + 0.8 * z[:, 4],
            bid=np.exp(np.where(conversion == 1, 1.6, -0.6) + 0.6 * z[:, 5]),
            popularity=popularity,
            impressions_7d=impressions[order],
            clicks_7d=clicks[order],
            group_start=np.searchsorted(group, keys, side="left").astype(np.int64).reshape(shape),
            group_stop=np.searchsorted(group, keys, side="right").astype(np.int64).reshape(shape),
            cumulative=np.concatenate([[0.0], np.cumsum(popularity)]),
        )

    def _identity(self, ids: Ints) -> tuple[Ints, Ints, Ints]:
        u = uniforms(self.config.seed, "ad identity", ids, 4)
        advertisers = max(4, self.config.ads // 8)
        advertiser = (u[:, 0] ** 1.6 * advertisers).astype(np.int64)
        home = (uniforms(self.config.seed, "advertiser", advertiser, 1)[:, 0] * self.config.topics).astype(
            np.int64
        )
        topic = np.where(u[:, 1] < 0.7, home, (u[:, 2] * self.config.topics).astype(np.int64))
        return (u[:, 3] < 0.4).astype(np.int64), topic, advertiser

    def _quality(self, ids: Ints, advertiser: Ints) -> Floats:
        own = normals(self.config.seed, "ad traits", ids, 6)[:, 0]
        return 0.8 * own + 0.6 * normals(self.config.seed, "advertiser quality", advertiser, 1)[:, 0]

    def _latent(self, ids: Ints, topic: Ints, advertiser: Ints) -> Floats:
        width = self.config.latent_width
        house = normals(self.config.seed, "advertiser latent", advertiser, width)
        own = normals(self.config.seed, "ad latent", ids, width)
        return unit(self.population.centres[topic] + 0.35 * house + 0.55 * own)

    def _counters(self, day: int, ids: Ints, age: Ints) -> tuple[Ints, Ints]:
        """Impressions and clicks of the 7 days before `day`.

        They are drawn from each ad's expected share and rate instead of being counted from the logs, so that
        a day needs no other day.
        """
        popularity = uniforms(self.config.seed, "ad", ids, 8)[:, 7]
        product, _, advertiser = self._identity(ids)
        z = normals(self.config.seed, "ad traits", ids, 6)
        rate = np.where(product == 1, 0.045, 0.03) * np.exp(
            0.45 * self._quality(ids, advertiser) + 0.4 * z[:, 1]
        )
        shown = self.config.requests_per_day * self.config.impressions_per_request
        impressions, clicks = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        for back in range(1, _COUNTER_DAYS + 1):
            rng = generator(self.config.seed, "counters", max(day - back, 0))
            weight = _popularity(popularity, (age - back).astype(float))
            day_impressions = rng.poisson(shown * weight / weight.sum())
            day_clicks = rng.binomial(day_impressions, np.minimum(rate, 0.5))
            was_there = age >= back
            impressions += np.where(was_there, day_impressions, 0)
            clicks += np.where(was_there, day_clicks, 0)
        return impressions, clicks


def _popularity(u: Floats, age: Floats) -> Floats:
    """Pareto weights (tail exponent 1.15), ramping up in an ad's first days."""
    tail = np.minimum(u ** (-1 / 1.15), _POPULARITY_CAP)
    return np.asarray(tail * (1.0 - np.exp(-(np.maximum(age, 0.0) + 1.0) / 2.0)))
