"""Where a number that drifts and follows the week is expected to be today: a Gaussian process over days.

    x_t = level + course_t + weekday_t + noise_t
    cov(x_s, x_t) = σ² ( c · exp(−(s − t)² / (2 · 10²)) + w · [same weekday] + [s = t] )

The level is unknown. The earlier days give σ²: forecast each of them from the days before it, and divide the square of
what it missed by the variance that this forecast has at σ² = 1; σ² is the mean of these. There are a few shapes (c, w);
the restricted likelihood of the earlier days chooses one. Today is then forecast with known error and n − 1 degrees of
freedom (universal kriging: Cressie, Statistics for Spatial Data, 1993, section 3.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_REACH = 10.0  # days over which a course is much the same: seasons and budgets move in weeks
_WEEK = 7
# Variances of the course (c) and of the weekdays (w); the noise's is 1. Days scatter around a level; or they drift and
# follow the week; or their weekdays differ by far more than their noise. More shapes cost more than they find.
SHAPES = ((0.0, 0.0), (16.0, 4.0), (16.0, 64.0))
LEAST_DAYS = 3 * _WEEK  # with fewer a weekday is known from one day or two, and a shape fits by chance


@dataclass(frozen=True)
class Forecast:
    """What is expected of one new day: the variance of the error is known with `freedom` degrees of freedom."""

    expected: float
    variance: float
    freedom: int


def forecast(earlier: Mapping[date, float], day: date) -> Forecast:
    """What `earlier` days let expect of `day`, by the shape that fits them best; at least two of them are needed."""
    values = np.array(tuple(earlier.values()))
    days = tuple(each.toordinal() for each in (*earlier, day))
    shapes = [_shape(days, course, week) for course, week in SHAPES]
    squares = [shape.square(values) for shape in shapes]
    likelihoods = [shape.likelihood(square) for shape, square in zip(shapes, squares, strict=True)]
    best = likelihoods.index(max(likelihoods))
    expected = float(shapes[best].weights @ values)
    return Forecast(expected, squares[best] * shapes[best].variance, len(values) - 1)


@dataclass(frozen=True)
class _Shape:
    """What one shape makes of n earlier days and today, whatever their values are."""

    weights: _Floats  # (n,) of the earlier days in today's forecast; their sum is 1
    variance: float  # of the forecast's error, in units of σ²
    precision: _Floats  # (n, n) of the earlier days, their level taken out
    volume: float  # logarithm of the determinant that the restricted likelihood has

    def square(self, values: _Floats) -> float:
        """σ² that the earlier days give."""
        return max(float(values @ self.precision @ values) / (len(values) - 1), 1e-30)  # all may be equal

    def likelihood(self, square: float) -> float:
        """Logarithm of the restricted likelihood, but for a constant."""
        return -(self.volume + (len(self.weights) - 1) * log(square)) / 2


@lru_cache(maxsize=32)  # the numbers of a day mostly have the same earlier days
def _shape(days: tuple[int, ...], course: float, week: float) -> _Shape:
    """`days` are ordinals, today's the last."""
    apart = np.subtract.outer(days, days).astype(float)  # (n + 1, n + 1)
    covariance = course * np.exp(-((apart / _REACH) ** 2) / 2) + week * (apart % _WEEK == 0)
    covariance = covariance + np.eye(len(days))
    known, today = covariance[:-1, :-1], covariance[-1, :-1]
    inverse = np.linalg.inv(known)
    ones = inverse.sum(axis=1)  # (n,) inverse · 1
    total = ones.sum()
    unseen = 1 - ones @ today  # how far the covariances leave today to the level
    return _Shape(
        weights=inverse @ today + ones * unseen / total,
        variance=float(covariance[-1, -1] - today @ inverse @ today + unseen**2 / total),
        precision=inverse - np.outer(ones, ones) / total,
        volume=float(np.linalg.slogdet(known)[1]) + log(total),
    )
