"""The forecast of a number that drifts and follows the week, against other ways to the same numbers."""

from collections.abc import Mapping
from datetime import date, timedelta
from math import exp, log, pi, sin
from statistics import fmean, variance

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from mtmd.validate.course import SHAPES, forecast

DAY = date(2026, 2, 1)
SCATTER = [0.1, -0.3, 0.2, 0.4, -0.2, -0.4, 0.3, -0.1, 0.25, -0.25, 0.05, 0.35, -0.35, -0.05]


def _before(values: list[float]) -> dict[date, float]:
    """Values of the days before DAY, the newest last."""
    return {DAY - timedelta(days=len(values) - i): value for i, value in enumerate(values)}


def _drifting(days: int) -> list[float]:
    """A mean's logarithm as on the simulated platform: it drifts by ±12 %, Saturdays and Sundays have 15 % more."""
    return [
        -3 + 0.12 * sin(2 * pi * i / 35) + 0.15 * (i % 7 in {2, 3}) + 0.1 * SCATTER[i % 14]
        for i in range(days)
    ]


def _covariance(days: list[date], course: float, week: float) -> np.ndarray:
    return np.array(
        [
            [
                course * exp(-((a - b).days ** 2) / 200) + week * (a.weekday() == b.weekday()) + (a == b)
                for a in days
            ]
            for b in days
        ]
    )


def _best(earlier: Mapping[date, float]) -> tuple[float, float]:
    """The shape with the likeliest contrasts: combinations of the days in which the unknown level is not."""
    values = np.array(list(earlier.values()))
    contrasts = null_space(np.ones((1, len(values))))  # (n, n - 1)

    def likelihood(shape: tuple[float, float]) -> float:
        covariance = contrasts.T @ _covariance(list(earlier), *shape) @ contrasts
        seen = contrasts.T @ values
        square = seen @ np.linalg.solve(covariance, seen) / len(seen)
        return float(multivariate_normal(cov=square * covariance).logpdf(seen))

    return max(SHAPES, key=likelihood)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (SCATTER * 2, (0.0, 0.0)),
        (_drifting(28), (16.0, 4.0)),
        ([own + (i % 7 == 3) for i, own in enumerate(_drifting(28))], (16.0, 64.0)),
    ],
    ids=["scatter", "drift and week", "a strong week"],
)
def test_the_likeliest_shape_solves_the_equations_of_kriging(
    values: list[float], shape: tuple[float, float]
) -> None:
    """[[K, 1], [1ᵀ, 0]] [weights, μ] = [k, 1]; the variance is K(today) − weights · k − μ, in units of σ²."""
    earlier = {day: value for day, value in _before(values).items() if day != DAY - timedelta(days=5)}
    assert _best(earlier) == shape
    covariance = _covariance([*earlier, DAY], *shape)
    known, today, count = covariance[:-1, :-1], covariance[:-1, -1], len(earlier)
    ones = np.ones((count, 1))
    *weights, price = np.linalg.solve(np.block([[known, ones], [ones.T, 0]]), [*today, 1])
    seen = np.array(list(earlier.values()))
    missed = seen - (ones.T @ np.linalg.solve(known, seen)) / (ones.T @ np.linalg.solve(known, ones))[0]
    square = missed @ np.linalg.solve(known, missed) / (count - 1)
    found = forecast(earlier, DAY)
    assert found.expected == pytest.approx(np.dot(weights, seen))
    assert found.variance == pytest.approx(square * (covariance[-1, -1] - np.dot(weights, today) - price))
    assert found.freedom == 26


def test_days_that_scatter_are_forecast_by_their_mean() -> None:
    found = forecast(_before(SCATTER * 2), DAY)
    assert found.expected == pytest.approx(fmean(SCATTER))
    assert found.variance == pytest.approx(variance(SCATTER * 2) * (1 + 1 / 28))


def test_a_day_that_drifts_and_follows_the_week_is_forecast_to_a_few_percent() -> None:
    *earlier, today = _drifting(29)
    found = forecast(_before(earlier), DAY)
    assert found.expected == pytest.approx(today, abs=0.04)
    assert found.variance < variance(earlier) / 4


def test_days_that_are_all_equal_are_forecast_surely() -> None:
    found = forecast(_before([log(0.1)] * 21), DAY)
    assert found.expected == pytest.approx(log(0.1))
    assert 0 < found.variance < 1e-25
