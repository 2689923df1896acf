"""Who and what is on the platform: topics, users, search terms and pins, each a function of its id.

Latent vectors have length √L. What the logs show of them is a noisy view in another basis (`View`).
Random numbers go by name, so that nothing depends on what was drawn before: what an entity is (a user, an ad) is a hash
of its id; what happens (requests, noise, clicks) comes from a generator of its own for each purpose, day and block.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmd.sources.simulated.config import WorldConfig

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_GOLDEN = 0x9E3779B97F4A7C15


def generator(seed: int, purpose: str, *where: int) -> np.random.Generator:
    """The generator of one purpose at one place (day, block, …)."""
    return np.random.default_rng([seed, _key(seed, purpose), *where])


def uniforms(seed: int, purpose: str, ids: Ints, width: int) -> Floats:
    """(N, width) numbers in (0, 1) that depend on each id alone (splitmix64 of id and column)."""
    rows = _mix(ids.astype(np.uint64) + np.array([_key(seed, purpose)], np.uint64))
    columns = np.arange(1, width + 1, dtype=np.uint64) * np.array([_GOLDEN], np.uint64)
    bits = _mix(rows[:, None] + columns)  # (N, width)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54


def normals(seed: int, purpose: str, ids: Ints, width: int) -> Floats:
    """(N, width) standard normals that depend on each id alone (Box–Muller)."""
    half = (width + 1) // 2
    u = uniforms(seed, purpose, ids, 2 * half)
    radius, angle = np.sqrt(-2.0 * np.log(u[:, :half])), 2.0 * np.pi * u[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :width]


def power_law(u: Floats, size: int, exponent: float) -> Ints:
    """Ranks 0..size-1 whose density falls as rank^(1/exponent - 1)."""
    return np.minimum((size * u**exponent).astype(np.int64), size - 1)


def pick(u: Floats, weights: Floats) -> Ints:
    """Index of the weight in which each u in (0, 1) falls."""
    edges = np.cumsum(weights) / weights.sum()
    return np.minimum(np.searchsorted(edges, u, side="right"), len(weights) - 1).astype(np.int64)


def _key(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big")


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


COUNTRIES = ("US", "BR", "MX", "DE", "FR", "GB", "JP", "IN", "CA", "IT", "ES", "AU", "NL", "PL", "SE", "AR")
DEVICES = ("android", "ios", "web", "tablet")
VECTOR_WIDTH = 16
INTERESTS = 3


def unit(vectors: Floats) -> Floats:
    """Scale each row to length √L, so that its coordinates have mean square 1."""
    length = np.maximum((vectors**2).sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors * np.sqrt(vectors.shape[1] / length))


@dataclass(frozen=True)
class Users:
    """N users; scalars are about standard normal."""

    user_id: Ints
    latent: Floats  # (N, L)
    interests: Ints  # (N, 3) topics, the first one first
    country: Ints
    device: Ints
    price_sensitivity: Floats
    curiosity: Floats
    budget: Floats  # the log price that suits best, in standard units
    propensity: Floats
    activity: Floats  # expected requests in 30 days, relative


class Population:
    """All that does not change from day to day."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.seed = config.seed
        rng = generator(config.seed, "topics")
        width = config.latent_width
        self.centres = unit(rng.standard_normal((config.topics, width)))
        self.readout = rng.standard_normal((4, width)) / np.sqrt(width)  # traits that tastes give away
        self.country_traits = rng.standard_normal((len(COUNTRIES), 2))
        self.country_weights: Floats = np.asarray(1.0 / np.arange(1, len(COUNTRIES) + 1) ** 0.8)
        self.country_phase = rng.uniform(0, 24, len(COUNTRIES))
        self.trend_period = rng.uniform(25, 90, config.topics)
        self.trend_phase = rng.uniform(0, 2 * np.pi, config.topics)

    def trend(self, day: int) -> Floats:
        """(topics,) how much a topic is in fashion on a day: slow, and smooth."""
        angle = 2 * np.pi * day / self.trend_period + self.trend_phase
        return np.asarray(0.7 * np.sin(angle) + 0.3 * np.sin(2.7 * angle))

    def users(self, ids: Ints) -> Users:
        """Attributes of the users with these ids (0..users-1; a low id is an active user)."""
        u = uniforms(self.seed, "user", ids, 6)
        z = normals(self.seed, "user traits", ids, 4)
        own = normals(self.seed, "user latent", ids, self.config.latent_width)
        interests = np.minimum((u[:, :INTERESTS] ** 1.3 * self.config.topics), self.config.topics - 1).astype(
            int
        )
        centres = self.centres[interests]  # (N, 3, L)
        latent = unit(0.7 * centres[:, 0] + 0.5 * centres[:, 1] + 0.3 * centres[:, 2] + 0.6 * own)
        country = pick(u[:, 3], self.country_weights)
        traits = latent @ self.readout.T  # (N, 4)
        by_country = self.country_traits[country]
        return Users(
            user_id=ids,
            latent=latent,
            interests=interests.astype(np.int64),
            country=country,
            device=pick(u[:, 4], np.array([0.42, 0.33, 0.19, 0.06])),
            price_sensitivity=0.7 * traits[:, 0] + 0.5 * by_country[:, 0] + 0.4 * z[:, 0],
            curiosity=0.8 * traits[:, 1] + 0.5 * z[:, 1],
            budget=0.7 * traits[:, 2] - 0.4 * by_country[:, 1] + 0.4 * z[:, 2],
            propensity=0.5 * traits[:, 3] + 0.8 * z[:, 3],
            activity=np.exp(0.5 * z[:, 0] + 0.3 * u[:, 5]) * (self.config.users / (ids + 10.0)) ** 0.5,
        )

    def terms(self, ids: Ints) -> tuple[Floats, Floats]:
        """Latent (N, L) and commercial intent (N,) of search terms; term t is about topic t mod topics."""
        own = normals(self.seed, "term latent", ids, self.config.latent_width)
        intent = normals(self.seed, "term intent", ids, 1)[:, 0]
        return unit(self.centres[ids % self.config.topics] + 0.55 * own), intent

    def pin_contents(self, ids: Ints) -> tuple[Floats, Floats]:
        """Latent (N, L) and log-popularity (N,) of pins; pin p is about topic p mod topics."""
        own = normals(self.seed, "pin latent", ids, self.config.latent_width)
        fame = normals(self.seed, "pin fame", ids, 1)[:, 0]
        return unit(self.centres[ids % self.config.topics] + 0.7 * own), fame


class View:
    """A logged vector: a fixed change of basis, a scale and a shift by domain, and noise."""

    def __init__(self, config: WorldConfig, name: str, scales: tuple[float, ...], noise: float) -> None:
        rng = generator(config.seed, f"view {name}")
        self.basis = rng.standard_normal((config.latent_width, VECTOR_WIDTH)) / np.sqrt(config.latent_width)
        self.scales = np.array(scales)
        self.shifts = 0.5 * rng.standard_normal((len(scales), VECTOR_WIDTH))
        self.noise = noise

    def __call__(self, latent: Floats, domain: Ints, noise: Floats) -> Floats:
        """(N, 16) what is logged of `latent` (N, L), given standard normal `noise` (N, 16)."""
        seen = latent @ self.basis + self.noise * noise
        return np.asarray((seen + self.shifts[domain]) * self.scales[domain][:, None])
