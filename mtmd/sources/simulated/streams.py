"""Random numbers by name, so that nothing depends on what was drawn before.

What an entity is (a user, an ad) is a hash of its id; what happens (requests, noise, clicks) comes from a
generator of its own for each purpose, day and block.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

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
