"""The truth: how likely a click, and a good or outbound click once clicked, is for a request and an ad.

Every effect has a size per domain. Most are shared; some flip their sign or change their scale between
domains, and several multiply what the query side knows by what the ad side knows inside a nonlinearity, which
no dot product of two embeddings expresses exactly.
"""

import numpy as np

from mtmd.sources.simulated.ads import FORMATS, STYLES, Ads
from mtmd.sources.simulated.population import DEVICES, Floats, Population, generator
from mtmd.sources.simulated.requests import Pairs, Requests

PRODUCTS = ("standard", "shopping")

# One number per domain: rows home_feed, search, related_pin; columns standard, shopping.
_BASE = np.array([[-4.2, -4.3], [-3.3, -3.0], [-3.9, -3.9]])
_AFFINITY = np.array([[1.5, 1.35], [1.6, 1.4], [1.45, 1.3]])
_QUALITY = np.array([[0.4, 0.3], [0.25, 0.3], [0.35, -0.25]])
_PROPENSITY = np.array([[0.4, 0.3], [0.2, 0.2], [0.35, 0.5]])
_APPEAL = np.array([[0.3, 0.25], [-0.15, 0.2], [0.25, 0.3]])
_FRESH = np.array([[0.6, 0.4], [-0.6, -0.2], [0.3, -0.5]])
_WEEKEND = np.array([[0.10, 0.15], [-0.12, 0.10], [0.05, 0.15]])
_INTENT = np.array([[0.0, 0.0], [-0.35, 0.45], [0.0, 0.0]])
_FAME = np.array([[0.0, 0.0], [0.0, 0.0], [0.3, -0.3]])
_GOOD_BASE = np.array([[-0.35, -0.25], [-0.1, -0.05], [-0.3, -0.3]])
_GOOD_AFFINITY = np.array([[0.6, 0.4], [0.5, 0.45], [0.45, 0.5]])
_GOOD_LANDING = np.array([[0.35, 0.0], [0.45, 0.0], [0.3, 0.0]])
_OUT_BASE = np.array([[-1.45, 0.0], [-1.0, 0.0], [-1.2, 0.0]])
_DRIFT_DAYS = np.array([[31.0, 47.0], [39.0, 53.0], [43.0, 35.0]])


class Effects:
    """The platform's effect sizes: the constants above, and tables drawn from its seed."""

    def __init__(self, population: Population) -> None:
        self.population = population
        rng = generator(population.seed, "effects")
        width = population.config.latent_width
        # Which coordinates of taste attract: most in every domain, a quarter flips or fades in some.
        self.shape = np.where(rng.random((3, 2, width)) < 0.22, rng.uniform(-0.8, 0.1, (3, 2, width)), 1.0)
        self.out_shape = rng.choice([-1.0, 0.3, 1.0], (3, width))
        self.format_device = 0.2 * rng.standard_normal((len(FORMATS), len(DEVICES)))
        self.format_surface = 0.25 * rng.standard_normal((len(FORMATS), 3))
        self.style = 0.3 * rng.standard_normal(len(STYLES))
        self.style_out = 0.4 * rng.standard_normal(len(STYLES))
        categories = 8 * population.config.topics
        self.category = 0.3 * rng.standard_normal((categories, 3)) * np.array([1.0, 1.0, -0.6])
        self.drift_phase = rng.uniform(0, 2 * np.pi, (3, 2))

    def logits(self, requests: Requests, ads: Ads, pairs: Pairs, day: int) -> Floats:
        """(P, 3) log-odds before what nobody logs: of a click, and of a good and an outbound click among clicks."""
        row = Row(self.population, requests, ads, pairs)
        return np.stack([self._click(row, day), self._good(row), self._outbound(row)], axis=1)

    def _click(self, row: "Row", day: int) -> Floats:
        affinity = row.affinity(self.shape)
        click = (
            row.of(_BASE)
            + row.of(_AFFINITY) * np.tanh(2.5 * affinity * row.focus) / 1.6
            + row.of(_QUALITY) * row.quality
            + row.of(_PROPENSITY) * row.propensity
            + row.of(_APPEAL) * row.appeal
            + row.of(_FRESH) * row.novelty
            + row.of(_WEEKEND) * row.weekend
            + row.of(_INTENT) * row.intent
            + row.of(_FAME) * np.tanh(row.fame + row.quality)
            - 0.45 * (row.worst_mismatch - 2.2)
            + 0.18 * row.day_time
            + 0.2 * self.population.trend(day)[row.ad_topic]
            + 0.12 * np.sin(2 * np.pi * day / row.of(_DRIFT_DAYS) + row.of(self.drift_phase))
            + self.format_device[row.format, row.device]
            + self.format_surface[row.format, row.surface]
        )
        return np.asarray(
            click + np.where(row.shopping, self._shopping_click(row), self._standard_click(row))
        )

    def _standard_click(self, row: "Row") -> Floats:
        sign = np.array([1.0, 1.0, -0.7])[row.surface]
        return np.asarray(
            sign * self.style[row.style]
            + 0.6 * row.same_topic * np.maximum(row.curiosity, row.landing)
            - 0.35 * np.abs(row.curiosity - row.landing)
            + 0.35
            + np.array([-0.25, 0.3, 0.15])[row.surface] * row.landing
        )

    def _shopping_click(self, row: "Row") -> Floats:
        off_budget = np.abs(row.price - row.budget)
        dear = np.logaddexp(0.0, 1.2 * row.price_sensitivity * row.price)
        return np.asarray(
            self.category[row.category, row.surface]
            - np.array([0.55, 0.25, 0.5])[row.surface] * dear
            + row.same_topic * (0.6 - 0.5 * off_budget)
            - 0.2 * off_budget
            + 0.9 * row.discount * np.logaddexp(0.0, 1.5 * row.price_sensitivity)
            + np.array([0.15, 0.3, 0.15])[row.surface] * row.rating
        )

    def _good(self, row: "Row") -> Floats:
        good = (
            row.of(_GOOD_BASE)
            + row.of(_GOOD_AFFINITY) * np.tanh(2.0 * row.affinity(self.shape))
            + row.of(_GOOD_LANDING) * row.landing
            - 0.25 * row.appeal
            + 0.15 * row.quality
            + np.array([-0.2, -0.05, 0.15, 0.3])[row.device]
            - 0.35 * np.abs(row.curiosity - row.landing)
            + 0.2
        )
        shopping = 0.3 * row.rating - 0.4 * np.abs(row.price - row.budget) + 0.35
        return np.asarray(good + np.where(row.shopping, shopping, 0.0))

    def _outbound(self, row: "Row") -> Floats:
        return np.asarray(
            row.of(_OUT_BASE)
            + 0.9 * np.tanh(2.0 * row.affinity(np.repeat(self.out_shape[:, None], 2, axis=1)))
            + 0.5 * row.conversion
            + self.style_out[row.style]
            + 0.5 * np.tanh(1.5 * row.curiosity * row.quality)
            + np.array([0.0, 0.3, -0.2])[row.surface] * row.landing
        )


class Row:
    """Both sides of every pair, gathered."""

    def __init__(self, population: Population, requests: Requests, ads: Ads, pairs: Pairs) -> None:
        r, a = pairs.request, pairs.ad
        users = requests.users
        self.surface, self.product = requests.surface[r], ads.product[a]
        self.shopping = self.product == 1
        self.want, self.latent = requests.want[r], ads.latent[a]  # (P, L) each
        self.same_topic = (requests.topic[r] == ads.topic[a]).astype(float)
        self.ad_topic, self.format = ads.topic[a], ads.format[a]
        self.style, self.category = ads.style[a], ads.category[a]
        self.device = users.device[r]
        self.quality, self.appeal, self.landing = ads.quality[a], ads.appeal[a], ads.landing[a]
        self.price, self.discount, self.rating = ads.price[a], ads.discount[a], ads.rating[a]
        self.conversion = ads.conversion[a].astype(float)
        self.price_sensitivity, self.budget = users.price_sensitivity[r], users.budget[r]
        self.curiosity, self.propensity = users.curiosity[r], users.propensity[r]
        self.intent, self.fame, self.weekend = requests.intent[r], requests.fame[r], requests.weekend
        self.novelty = np.exp(-ads.age[a] / 6.0) * (1.0 + np.maximum(self.curiosity, -0.5))
        phase = population.country_phase[users.country[r]]
        self.day_time = np.sin(2 * np.pi * (requests.hour[r] - phase) / 24)
        known = 1.0 / (1.0 + np.exp(-(np.log1p(requests.history_length[r]) - 3.0)))
        # A long history says better what to show; elsewhere the context says it.
        self.focus = np.where(self.surface == 0, 0.65 + 0.5 * known, 1.0)
        self.worst_mismatch = np.abs(self.want - self.latent)[:, :6].max(axis=1)

    def of(self, by_domain: Floats) -> Floats:
        """(P,) the number of each pair's domain."""
        return np.asarray(by_domain[self.surface, self.product])

    def affinity(self, shape: Floats) -> Floats:
        """(P,) Σ_k shape[domain, k] · want_k · latent_k / L, in about −1..1."""
        weights: Floats = shape[self.surface, self.product]  # (P, L)
        return np.asarray((weights * self.want * self.latent).sum(axis=1) / self.want.shape[1])
