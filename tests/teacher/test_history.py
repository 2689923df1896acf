"""Only strictly earlier days count."""

import numpy as np
import pytest

from mtmd.teacher.history import EarlierDays, smoothed_rate

KEY = np.array([0, 1, 0, 0, 1, 0])
DAY = np.array([10, 10, 10, 11, 12, 13])
CLICKS = np.array([[1.0], [1.0], [0.0], [1.0], [0.0], [1.0]])


def test_sums_leave_out_the_same_day_and_later() -> None:
    past = EarlierDays(KEY, DAY, np.hstack([np.ones((6, 1)), CLICKS])).sums(KEY, DAY)
    assert past.tolist() == [[0, 0], [0, 0], [0, 0], [2, 1], [1, 1], [3, 2]]


def test_any_key_and_day_can_be_asked_for() -> None:
    past = EarlierDays(KEY, DAY, CLICKS)
    asked = past.sums(np.array([0, 0, 0, 1, 7, 0]), np.array([9, 14, 99, 99, 99, 12]))
    assert asked[:, 0].tolist() == [0, 3, 3, 1, 0, 2]


def test_sums_agree_with_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    key, day = random.integers(0, 9, 300), random.integers(0, 7, 300)
    values = random.integers(0, 2, (300, 2)).astype(float)
    loop = [values[(key == k) & (day < d)].sum(0) for k, d in zip(key, day, strict=True)]
    assert np.array_equal(EarlierDays(key, day, values).sums(key, day), loop)


def test_a_smoothed_rate_is_its_prior_where_nothing_was_seen() -> None:
    rate = smoothed_rate(np.array([0.0, 5.0]), np.array([0.0, 10.0]), 0.2, 10.0)
    assert rate.tolist() == pytest.approx([0.2, 0.35])
