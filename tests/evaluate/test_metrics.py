"""Metrics against numbers worked by hand and against brute force, and the table that names them."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from mtmd.evaluate.metrics import (
    METRICS,
    NAMED,
    ActionTargets,
    TeacherTargets,
    area,
    area_error,
    ratio_error,
    row_values,
)
from mtmd.evaluate.report import SliceMetrics

ONE = SliceMetrics(
    surface="search", product="standard", task="ctr", predictor="mtmd", bucket=None, rows=100, requests=10,
    logmae=0.5, auc=0.75, log_loss=0.2, mean_prediction=0.3, mean_teacher=0.2, calibration=1.1,
    errors={"auc": 0.01, "log_loss": 0.1, "teacher_calibration": 0.1},
)  # fmt: skip


def values(log_p: np.ndarray, score: np.ndarray) -> dict[str, np.ndarray]:
    """Of rows that are alike but for their scores: kept winners of requests that a cut makes smaller."""
    alike = np.ones(len(score), np.bool_)
    return row_values(log_p, alike, TeacherTargets.of(score, alike, alike))


def test_the_error_of_a_ratio_counts_requests_not_rows() -> None:
    """Σ own 6, Σ reference 4, r = 1.5; residuals by request 2 − 1.5·2 = −1 and 4 − 1.5·2 = 1: √2 / 6."""
    own, reference = np.array([1.0, 1.0, 4.0]), np.array([1.0, 1.0, 2.0])
    assert ratio_error(own, reference, np.array([0, 0, 1])) == pytest.approx(math.sqrt(2) / 6)
    assert ratio_error(own[:0], reference[:0], np.array([], np.int64)) is None


def test_the_error_of_an_area_is_that_of_three_requests_by_hand() -> None:
    """Positives 0.9 and 0.4 are above 2 and 1 of the negatives 0.5 and 0.1, which are below 1 and 2 positives.

    AUC is 3/4. The contributions are (1 − 3/4)/2 = 1/8, (1/2 − 3/4)/2 = −1/8, and for the negatives −1/8 and 1/8. The
    first request has 0.9 and 0.5, which cancel; the others have one row each.
    """
    log_p = np.log([0.9, 0.4, 0.5, 0.1])
    action, request = np.array([True, True, False, False]), np.array([0, 1, 0, 2])
    assert area(log_p, action) == 0.75
    assert area_error(log_p, action, request) == pytest.approx(math.sqrt(2) / 8)
    assert area_error(log_p[1:], action[1:], request[1:]) is None  # one positive alone
    assert area(log_p[2:], action[2:]) is None


def test_an_area_equals_brute_force_over_pairs() -> None:
    rng = np.random.default_rng(1)
    score = rng.integers(0, 12, size=400) / 10.0  # many ties
    action = rng.uniform(size=400) < 0.3
    wins = (score[action][:, None] > score[~action]) + 0.5 * (score[action][:, None] == score[~action])
    assert area(score, action) == pytest.approx(wins.mean(), abs=1e-12)


def test_a_very_small_probability_stays_finite() -> None:
    errors = values(np.array([-2000.0]), np.array([0.5]))
    assert errors["logmae"][0] == pytest.approx(2000 - math.log(2))
    assert errors["bce"][0] == pytest.approx(1000)


def test_every_metric_of_the_table_is_a_number_of_a_slice() -> None:
    assert [metric.name for metric in METRICS if not hasattr(ONE, metric.name)] == []
    summed = {*values(np.empty(0), np.empty(0))}
    summed |= {*row_values(np.empty(0), np.empty(0, np.bool_), ActionTargets.of(np.empty(0)))}
    assert {name for metric in METRICS for name in (metric.above, metric.below) if name} == summed


def test_intervals_are_of_the_confidence_and_stay_inside_what_can_be() -> None:
    reach = NormalDist().inv_cdf(0.975)
    assert NAMED["auc"].interval(ONE, 0.95) == pytest.approx((0.75 - 0.01 * reach, 0.75 + 0.01 * reach))
    assert NAMED["log_loss"].interval(ONE, 0.95) == pytest.approx((0.2 / 1.2165, 0.2 * 1.2165), rel=1e-4)
    level = NAMED["teacher_calibration"].interval(ONE, 0.95)
    assert level == pytest.approx((1.5 / 1.2165, 1.5 * 1.2165), rel=1e-4)
    assert NAMED["auc"].interval(ONE.model_copy(update={"errors": {"auc": 0.5}}), 0.95) == (0.0, 1.0)
    assert NAMED["kl"].interval(ONE, 0.95) is None
    kept = ONE.model_copy(update={"recall": 0.98, "errors": {"recall": 0.1}})
    assert NAMED["recall"].interval(kept, 0.95) == (pytest.approx(0.98 / 1.2165, rel=1e-4), 1.0)
