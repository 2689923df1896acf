"""Only strictly earlier days count."""

import math

import numpy as np
import pytest

from mtmd.extras.kuairand.rows import PastRates, TeachingRows


def numbers(rows: TeachingRows, user: list[int]) -> dict[str, list[float]]:
    found = PastRates(rows, np.array([0.1, 0.2])).numbers([("user", np.array(user))])
    return dict(zip(("n", "ctr", "cvr"), (column.tolist() for column in found), strict=True))


def teaching(labels: list[list[int]], day: list[int], shown: list[int] | None = None) -> TeachingRows:
    known = np.ones((len(day), 2), np.bool_)
    if shown is not None:
        known &= np.array(shown, np.bool_)[:, None]
    return TeachingRows(np.array(day), np.array(labels, np.bool_), known, ("ctr", "cvr"), (None, 0))


def test_past_numbers_are_gains_over_everybody() -> None:
    # Day 1: user 0 clicks 2 of 2 and buys once, user 1 clicks 0 of 2; the row of day 2 asks.
    found = numbers(teaching([[1, 1], [1, 0], [0, 0], [0, 0], [1, 1]], [1, 1, 1, 1, 2]), [0, 0, 1, 1, 0])
    everybody = (2 + 20 * 0.1) / 24, (1 + 20 * 0.2) / 22
    mine = (2 + 20 * everybody[0]) / 22, (1 + 20 * everybody[1]) / 22
    gains = [math.log(m / (1 - m)) - math.log(e / (1 - e)) for m, e in zip(mine, everybody, strict=True)]
    assert [column[4] for column in found.values()] == pytest.approx([2 / 22, *gains])
    assert all(column[:4] == [0.0] * 4 for column in found.values())


def test_a_missing_key_and_rows_that_were_not_shown_say_nothing() -> None:
    rows = teaching([[1, 0], [0, 0], [0, 0], [0, 0], [0, 0]], [1, 1, 1, 2, 2], shown=[1, 0, 1, 1, 1])
    found = numbers(rows, [0, 0, -1, 0, -1])
    assert found["n"][3:] == pytest.approx([1 / 21, 0])
    assert found["ctr"][3] > 0
    assert found["ctr"][4] == 0
