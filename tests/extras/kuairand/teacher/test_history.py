"""Only strictly earlier days count."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.extras.kuairand.teacher.history import EarlierDays, past_numbers, smoothed_rate
from mtmd.extras.kuairand.teacher.rows import TeachingRows

KEY = np.array([0, 1, 0, 0, 1, 0])
DAY = np.array([10, 10, 10, 11, 12, 13])
CLICKS = np.array([[1.0], [1.0], [0.0], [1.0], [0.0], [1.0]])


def test_sums_leave_out_the_same_day_and_later() -> None:
    past = EarlierDays(KEY, DAY, np.hstack([np.ones((6, 1)), CLICKS])).sums(KEY, DAY)
    assert past.tolist() == [[0, 0], [0, 0], [0, 0], [2, 1], [1, 1], [3, 2]]


def test_a_smoothed_rate_is_its_prior_where_nothing_was_seen() -> None:
    rate = smoothed_rate(np.array([0.0, 5.0]), np.array([0.0, 10.0]), 0.2, 10.0)
    assert rate.tolist() == pytest.approx([0.2, 0.35])


def _teaching(labels: list[list[int]], teaches: list[list[int]], day: list[int]) -> TeachingRows:
    return TeachingRows(
        np.array(day), np.array(labels, np.bool_), np.array(teaches, np.bool_), ("ctr", "cvr"), (None, 0)
    )


def test_past_numbers_are_gains_over_everybody() -> None:
    # Day 1: user 0 clicks 2 of 2 and buys once, user 1 clicks 0 of 2; the row of day 2 asks.
    rows = _teaching(
        [[1, 1], [1, 0], [0, 0], [0, 0], [1, 1]], [[1, 1], [1, 1], [1, 0], [1, 0], [1, 1]], [1, 1, 1, 1, 2]
    )
    shown, user = np.ones(5, np.bool_), np.array([0, 0, 1, 1, 0])
    numbers = dict(past_numbers([("user", user)], rows, shown, np.array([0.1, 0.2]), np.array([0, 0])))
    assert [*numbers] == ["user_n", "user_ctr", "user_cvr"]
    everybody = (2 + 20 * 0.1) / 24, (1 + 20 * 0.2) / 22
    mine = (2 + 20 * everybody[0]) / 22, (1 + 20 * everybody[1]) / 22
    gains = [math.log(m / (1 - m)) - math.log(e / (1 - e)) for m, e in zip(mine, everybody, strict=True)]
    assert [numbers[name][4] for name in numbers] == pytest.approx([2 / 22, *gains])
    assert all(numbers[name][:4].tolist() == [0.0] * 4 for name in numbers)


def test_a_missing_key_and_rows_that_were_not_shown_say_nothing() -> None:
    rows = _teaching(
        [[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]], [[1, 1], [0, 0], [1, 0], [1, 0], [1, 0]], [1, 1, 1, 2, 2]
    )
    shown, user = np.array([True, False, True, True, True]), np.array([0, 0, -1, 0, -1])
    numbers = dict(past_numbers([("user", user)], rows, shown, np.array([0.1, 0.2]), np.array([0, 0])))
    assert numbers["user_n"][3:].tolist() == pytest.approx([1 / 21, 0])
    assert numbers["user_ctr"][3] > 0
    assert numbers["user_ctr"][4] == 0


def test_the_history_of_a_late_label_ends_earlier() -> None:
    rows = _teaching([[1, 1], [1, 1], [1, 0], [0, 0]], [[1, 1], [1, 1], [1, 1], [1, 0]], [1, 2, 3, 4])
    shown, user = np.ones(4, np.bool_), np.zeros(4, np.int64)

    def of(lag: int) -> dict[str, NDArray[np.float64]]:
        lags = np.array([0, lag])
        keys = [("user", user), ("nobody", np.arange(4))]
        return dict(past_numbers(keys, rows, shown, np.array([0.5, 0.5]), lags))

    late, at_once = of(2), of(0)
    assert late["user_ctr"].tolist() == at_once["user_ctr"].tolist()
    assert late["user_n"].tolist() == at_once["user_n"].tolist()
    # Everybody is this user, so a gain is of a second smoothing: on day 4 of day 1 alone, with one purchase of one.
    everybody = (1 + 20 * 0.5) / 21
    mine = (1 + 20 * everybody) / 21
    gain = math.log(mine / (1 - mine)) - math.log(everybody / (1 - everybody))
    assert late["user_cvr"].tolist() == pytest.approx([0, 0, 0, gain])
    assert at_once["user_cvr"][3] != pytest.approx(gain)
