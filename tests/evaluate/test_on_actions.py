"""How sure AUC and log loss are, beside whole requests drawn anew and beside numbers computed by hand."""

import math
from datetime import date

import numpy as np
import pytest

from mtmd.evaluate.metrics import group_auc, row_log_loss
from mtmd.evaluate.on_actions import (
    action_errors,
    auc_error,
    auc_interval,
    calibration_interval,
    log_loss_interval,
)
from tests.inspect.conftest import metrics


def test_the_error_of_auc_is_that_of_three_requests_by_hand() -> None:
    """Positives 0.9 and 0.4 are above 2 and 1 of the negatives 0.5 and 0.1, which are below 1 and 2 positives.

    AUC is 3/4. The contributions are (1 − 3/4)/2 = 1/8, (1/2 − 3/4)/2 = −1/8, and for the negatives −1/8 and 1/8. The
    first request has 0.9 and 0.5, which cancel; the others have one row each.
    """
    log_p = np.log([0.9, 0.4, 0.5, 0.1])
    action, request = np.array([True, True, False, False]), np.array([0, 1, 0, 2])
    assert auc_error(log_p, action, request) == pytest.approx(math.sqrt(2) / 8)
    assert auc_error(log_p[1:], action[1:], request[1:]) is None  # one positive alone


def test_errors_are_those_of_requests_that_are_drawn_anew() -> None:
    """600 requests of 1 to 6 rows that share a level, drawn anew 400 times with replacement."""
    random = np.random.default_rng(3)
    request = np.repeat(np.arange(600), random.integers(1, 7, 600))
    level = random.normal(0, 1, 600)[request]
    chance = 1 / (1 + np.exp(1.5 - level))
    action = random.random(len(request)) < chance
    log_p = np.log(1 / (1 + np.exp(1.5 - level - random.normal(0, 0.7, len(request)))))
    rows = [np.flatnonzero(request == one) for one in range(600)]
    areas, losses = [], []
    for _ in range(400):
        drawn = np.concatenate([rows[one] for one in random.integers(0, 600, 600)])
        areas.append(group_auc(log_p[drawn], action[drawn], np.zeros(len(drawn), np.int64), 1)[0])
        losses.append(math.log(row_log_loss(log_p[drawn], action[drawn]).mean()))
    found = action_errors(log_p, action, request)
    assert found["auc_error"] == pytest.approx(np.std(areas), rel=0.12)
    assert found["log_loss_error"] == pytest.approx(np.std(losses), rel=0.12)


def test_intervals_are_of_the_confidence_and_stay_inside_what_can_be() -> None:
    report = metrics(date(2026, 1, 1), 0.5)
    own = report.metrics[0].model_copy(
        update={"auc_error": 0.01, "log_loss_error": 0.1, "calibration_error": 0.1}
    )
    assert auc_interval(own, 0.95) == pytest.approx((0.75 - 0.0196, 0.75 + 0.0196), abs=1e-5)
    assert log_loss_interval(own, 0.95) == pytest.approx((0.2 / 1.2165, 0.2 * 1.2165), rel=1e-4)
    assert calibration_interval(own, 0.95) == pytest.approx((1.5 / 1.2165, 1.5 * 1.2165), rel=1e-4)
    assert auc_interval(own.model_copy(update={"auc_error": 0.5}), 0.95) == (0.0, 1.0)
    for interval in (auc_interval, log_loss_interval, calibration_interval):
        assert interval(report.metrics[0], 0.95) is None
