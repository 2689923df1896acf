"""Blocks of days, what refuses to be fitted, and scores along a tree of tasks."""

import numpy as np
import pytest

from mtmd.errors import LogsError
from mtmd.teacher.cross_fit import NEWEST, day_blocks


def test_blocks_are_contiguous_and_the_last_two_days_stand_apart() -> None:
    day = np.repeat(np.arange(100, 108), [1, 1, 8, 10, 10, 10, 9, 9])
    blocks = day_blocks(day, 4)
    by_day = [int(blocks[day == d][0]) for d in range(100, 108)]
    assert by_day == [0, 0, 0, 1, 2, 3, NEWEST, NEWEST]


def test_one_huge_day_does_not_swallow_all_blocks() -> None:
    blocks = day_blocks(np.repeat(np.arange(4), [1, 1000, 5, 5]), 5)
    assert sorted(set(blocks.tolist())) == [NEWEST, 0, 1]


def test_too_few_days_are_an_error() -> None:
    with pytest.raises(LogsError, match=r"cover 3 days; .* at least 4"):
        day_blocks(np.array([1, 2, 3]), 5)
