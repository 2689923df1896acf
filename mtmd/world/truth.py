"""What really happens: probabilities of click, and of good and outbound click given a click.

Shared effects (affinity, quality, weekly cycle), effects that flip or rescale by domain (novelty, discount,
intent), and interactions of both sides that a dot product can only approximate (price against budget as a
square, topic match times intensity, a maximum, an absolute difference). P pairs, L latent width.
"""

from dataclasses import dataclass

import numpy as np

from mtmd.world.config import WorldConfig
from mtmd.world.population import SHOPPING, STANDARD, Ads, Floats, Integers, Population, population

HOME, SEARCH, RELATED = 0, 1, 2
_BASE = np.array([[-3.6, -4.1], [-2.5, -2.7], [-3.1, -3.4]])  # (surface, product)
_AFFINITY = np.array([[2.2, 1.6], [3.4, 3.0], [2.6, 3.2]])  # context to ad
_TASTE = np.array([[1.2, 0.9], [0.4, 0.3], [0.7, 0.5]])  # user to ad
_NOVELTY = np.array([0.45, -0.30, 0.15])  # by surface: flips
_DISCOUNT = np.array([1.0, 2.4, -0.9])  # by surface: flips
_PRICE = np.array([0.20, 0.40, 0.12])  # by surface: rescales
_FATIGUE = np.array([-0.10, 0.03, -0.05])  # by surface: flips
_LANDING = np.array([0.5, -0.3, 0.25])  # by surface: flips


@dataclass(frozen=True)
class Requests:
    """A chunk of requests: R rows."""

    request_id: Integers
    second: Integers  # of the day
    surface: Integers
    user: Integers
    term: Integers
    pin: Integers
    history: Floats  # (R, L) what the user did lately
    history_topic: Integers
    history_length: Integers


@dataclass(frozen=True)
class Truth:
    """Log-odds of each pair: of a click, and of a good and an outbound click given a click."""

    click: Floats
    good: Floats
    outbound: Floats


def context(config: WorldConfig, requests: Requests) -> Floats:
    """What the surface knows of the moment: the query, the subject pin, or the recent history. (R, L)"""
    people = population(config)
    surface = requests.surface[:, None]
    known = np.where(surface == SEARCH, people.term[requests.term], people.pin[requests.pin])
    return np.where(surface == HOME, requests.history, known)


def truth(
    config: WorldConfig,
    day: int,
    requests: Requests,
    ads: Ads,
    row: Integers,
    ad: Integers,
    impressions: Floats,
) -> Truth:
    """Log-odds (P,) of each pair (row of `requests`, row of `ads`); `impressions`: the ads' last 7 days."""
    people = population(config)
    surface, user, product = requests.surface[row], requests.user[row], ads.product[ad]
    near = (context(config, requests)[row] * ads.latent[ad]).sum(axis=1)
    taste = (people.user[user] * ads.latent[ad]).sum(axis=1)
    match = _match(people, requests, ads, row, ad)
    age = day - ads.born[ad]
    click = _BASE[surface, product] + _drift(config, day, surface, product)
    click += _AFFINITY[surface, product] * np.tanh(near) + _TASTE[surface, product] * taste
    click += 0.55 * ads.quality[ad] * (1.0 + 0.3 * (surface == HOME))
    click += 0.5 * match * np.maximum(0.0, near) + people.category_shift[surface, ads.topic[ad]]
    click += _NOVELTY[surface] * people.novelty[user] * np.exp(-age / 6.0)
    click += people.hour_goal[requests.second[row] // 3600, ads.goal[ad]]
    click += people.device_format[surface, people.device[user], ads.format[ad]]
    click += _FATIGUE[surface] * np.log1p(impressions[ad]) * np.log1p(people.activity[user]) / 3.0
    click += np.where(product == SHOPPING, _shopping(people, requests, ads, row, ad), 0.0)
    click += np.where(product == STANDARD, _standard(people, ads, surface, user, ad), 0.0)
    good = 0.1 + 0.8 * ads.landing[ad] * np.where(surface == SEARCH, 0.5, 1.0) + 0.5 * people.patience[user]
    good += 0.9 * np.tanh(near + taste) - 0.5 * np.abs(people.patience[user] - ads.landing[ad])
    good += np.where(product == SHOPPING, -0.4 + 0.3 * (ads.rating[ad] - 4.0), 0.2)
    outbound = -1.2 + 0.9 * ads.goal[ad] + people.country_style[people.country[user], ads.style[ad]]
    outbound += 0.6 * ads.landing[ad] * np.sign(0.5 - (surface == RELATED)) + 0.5 * np.tanh(taste)
    outbound += 0.5 * (people.device[user] == 2)
    return Truth(click, good, outbound)


def _match(people: Population, requests: Requests, ads: Ads, row: Integers, ad: Integers) -> Floats:
    """1 where the ad is of the topic that the moment is about."""
    surface = requests.surface
    topic = np.where(surface == SEARCH, people.term_topic[requests.term], people.pin_topic[requests.pin])
    topic = np.where(surface == HOME, requests.history_topic, topic)
    return np.asarray(topic[row] == ads.topic[ad], dtype=np.float64)


def _shopping(people: Population, requests: Requests, ads: Ads, row: Integers, ad: Integers) -> Floats:
    """What only shopping ads have: price against budget (squared), discount, rating, and search intent."""
    surface, user = requests.surface[row], requests.user[row]
    gap = ads.log_price[ad] - people.budget[user]
    intent = np.where(surface == SEARCH, people.term_intent[requests.term[row]], 0.0)
    effect = -_PRICE[surface] * np.minimum(gap**2, 6.0) + _DISCOUNT[surface] * ads.discount[ad]
    return np.asarray(effect + 0.45 * intent + 0.4 * (ads.rating[ad] - 4.0))


def _standard(people: Population, ads: Ads, surface: Integers, user: Integers, ad: Integers) -> Floats:
    """What only standard ads have: the landing page, and a style that a country likes or not."""
    return np.asarray(
        _LANDING[surface] * ads.landing[ad] + people.country_style[people.country[user], ads.style[ad]]
    )


def _drift(config: WorldConfig, day: int, surface: Integers, product: Integers) -> Floats:
    """A weekly cycle (weekends shop more) and slow waves, one per domain."""
    weekend = float((config.origin.weekday() + day) % 7 >= 5)
    slow = 0.15 * np.sin(2 * np.pi * day / 97.0 + 1.3 * surface + 2.1 * product)
    return np.asarray(slow + weekend * np.where(product == SHOPPING, 0.25, -0.08))
