"""Metrics against numbers worked by hand and against brute force."""

import math

import numpy as np
import pytest

from mtmd.evaluate.metrics import (
    TeacherTargets,
    group_auc,
    ratio_error,
    row_errors,
    row_log_loss,
)


def test_errors_follow_their_definitions_on_random_rows() -> None:
    rng = np.random.default_rng(0)
    t, p = rng.uniform(0.001, 0.999, size=(2, 500))
    errors = row_errors(np.log(p), TeacherTargets.of(t))
    for i in range(500):
        assert errors["logmae"][i] == pytest.approx(abs(math.log(p[i]) - math.log(t[i])))
        assert errors["kl"][i] == pytest.approx(
            t[i] * math.log(t[i] / p[i]) + (1 - t[i]) * math.log((1 - t[i]) / (1 - p[i])), abs=1e-12
        )


def test_the_error_of_a_ratio_counts_requests_not_rows() -> None:
    """Σ own 6, Σ reference 4, r = 1.5; residuals by request 2 − 1.5·2 = −1 and 4 − 1.5·2 = 1: √2 / 6."""
    own, reference = np.array([1.0, 1.0, 4.0]), np.array([1.0, 1.0, 2.0])
    assert ratio_error(own, reference, np.array([0, 0, 1])) == pytest.approx(math.sqrt(2) / 6)
    assert ratio_error(own[:0], reference[:0], np.array([], np.int64)) is None


def test_the_error_of_a_ratio_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(0)
    samples = rng.gamma(2.0, 1.0, (400, 300, 1)) + rng.gamma(1.0, 1.0, (400, 300, 2))  # requests of two rows
    reference = rng.gamma(2.0, 1.0, (400, 300, 2))
    ratios = np.log(samples.sum((1, 2)) / reference.sum((1, 2)))
    request = np.repeat(np.arange(300), 2)
    errors = [
        ratio_error(a.ravel(), b.ravel(), request) for a, b in zip(samples[:50], reference[:50], strict=True)
    ]
    assert np.mean(errors) == pytest.approx(ratios.std(), rel=0.1)


def test_a_very_small_probability_stays_finite() -> None:
    errors = row_errors(np.array([-2000.0]), TeacherTargets.of(np.array([0.5])))
    assert errors["logmae"][0] == pytest.approx(2000 - math.log(2))
    assert errors["bce"][0] == pytest.approx(1000)


def test_log_loss_by_hand() -> None:
    loss = row_log_loss(np.log([0.8, 0.8]), np.array([True, False]))
    assert loss.tolist() == pytest.approx([-math.log(0.8), -math.log(0.2)])


def test_auc_is_undefined_where_a_class_is_missing() -> None:
    action = np.array([True, True, False, True, False])
    group = np.array([0, 0, 1, 2, 2])
    auc = group_auc(np.arange(5.0), action, group, 4)
    assert np.isnan(auc).tolist() == [True, True, False, True]


def test_auc_equals_brute_force_over_pairs_in_each_group() -> None:
    rng = np.random.default_rng(1)
    score = rng.integers(0, 12, size=400) / 10.0  # many ties, within and across groups
    action = rng.uniform(size=400) < 0.3
    group = rng.integers(0, 5, size=400)
    auc = group_auc(score, action, group, 5)
    for g in range(5):
        positive = score[(group == g) & action]
        negative = score[(group == g) & ~action]
        wins = sum(float(p > n) + 0.5 * float(p == n) for p in positive for n in negative)
        assert auc[g] == pytest.approx(wins / (len(positive) * len(negative)), abs=1e-12)
