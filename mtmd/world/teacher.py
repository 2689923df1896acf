"""The heavyweight ranker's scores: the true probability, seen through calibrated, heteroscedastic noise.

The ranker observes the true log-odds with Gaussian noise (more of it for rarely shown ads) and, like a
well-kept production model, reports the posterior mean of the probability under the domain's own spread of
log-odds. So the mean truth among rows with a score is that score, up to a Gaussian approximation.
"""

import numpy as np

from mtmd.world.population import Floats, Integers

_PROBIT = np.pi / 8.0  # E[sigmoid(m + sqrt(v)·z)] ≈ sigmoid(m / sqrt(1 + π/8·v))


def noise_scale(impressions: Floats, thin: Floats) -> Floats:
    """Standard deviation of the observed log-odds: 0.09 for much-shown ads, up to about 0.25 for new ones."""
    return np.asarray(0.08 + 0.16 / (1.0 + np.log1p(impressions) / 2.0) + thin)


def score(random: np.random.Generator, log_odds: Floats, sigma: Floats, domain: Integers) -> Floats:
    """Calibrated noisy probabilities; the spread of log-odds is measured per domain, on these rows."""
    observed = log_odds + sigma * random.standard_normal(len(log_odds))
    centre, spread = np.zeros(len(log_odds)), np.ones(len(log_odds))
    for d in np.unique(domain):
        rows = domain == d
        centre[rows] = log_odds[rows].mean()
        spread[rows] = max(log_odds[rows].var(), 1e-3)
    shrink = spread / (spread + sigma**2)
    mean, variance = centre + shrink * (observed - centre), shrink * sigma**2
    return sigmoid(mean / np.sqrt(1.0 + _PROBIT * variance))


def sigmoid(log_odds: Floats) -> Floats:
    """Strictly inside (0, 1), in float32 too."""
    return np.asarray(np.clip(1.0 / (1.0 + np.exp(-log_odds)), 1e-6, 1.0 - 1e-6))
