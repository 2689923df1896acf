"""The heavyweight ranker's scores: the true probability, seen through calibrated, heteroscedastic noise.

The ranker observes the true log-odds with Gaussian noise (more of it for rarely shown ads) and, like a
well-kept production model, reports the posterior mean of the probability, given how the log-odds of the
pair's domain are spread. So the mean truth among rows with a score is that score, up to a Gaussian
approximation. P pairs, D domains.
"""

from dataclasses import dataclass

import numpy as np

from mtmd.world.population import Floats, Integers

_PROBIT = np.pi / 8.0  # E[sigmoid(m + sqrt(v)·z)] ≈ sigmoid(m / sqrt(1 + π/8·v))


@dataclass(frozen=True)
class Prior:
    """Mean and variance (D,) of the true log-odds in each domain, as the ranker learnt them.

    Measured once, on a large sample: were they measured on the rows being scored, a score would depend on
    its neighbours, and a domain with a single row there would have no spread.
    """

    mean: Floats
    variance: Floats


def measure_prior(log_odds: Floats, domain: Integers) -> Prior:
    """The prior of a sample (P,) that has rows of every domain."""
    groups = [log_odds[domain == d] for d in range(int(domain.max()) + 1)]
    return Prior(np.array([group.mean() for group in groups]), np.array([group.var() for group in groups]))


def noise_scale(impressions: Floats, extra: Floats) -> Floats:
    """Standard deviation of observed log-odds: 0.24 for new ads, near 0.1 for much-shown ones; + `extra`."""
    return np.asarray(0.08 + 0.16 / (1.0 + np.log1p(impressions) / 2.0) + extra)


def score(
    random: np.random.Generator, log_odds: Floats, sigma: Floats, domain: Integers, prior: Prior
) -> Floats:
    """Calibrated noisy probabilities (P,) of pairs with these true log-odds and noise scales.

    Where l ~ N(m, s²) and o = l + σ·z is observed, l has posterior mean m + k·(o − m) and variance k·σ²,
    with k = s²/(s² + σ²).
    """
    observed = log_odds + sigma * random.standard_normal(len(log_odds))
    centre, spread = prior.mean[domain], prior.variance[domain]
    shrink = spread / (spread + sigma**2)
    mean, variance = centre + shrink * (observed - centre), shrink * sigma**2
    return sigmoid(mean / np.sqrt(1.0 + _PROBIT * variance))


def sigmoid(log_odds: Floats) -> Floats:
    """Strictly inside (0, 1), in float32 too."""
    return np.asarray(np.clip(1.0 / (1.0 + np.exp(-log_odds)), 1e-6, 1.0 - 1e-6))
