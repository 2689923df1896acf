"""Rank buckets: top first, equal counts, stable ties."""

import numpy as np
import pytest

from mtmd.evaluate.metrics import rank_buckets


def test_bucket_zero_holds_the_highest_scores() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.3, 0.2], dtype=np.float32)
    assert rank_buckets(scores, 3).tolist() == [2, 0, 1, 0, 1, 2]


def test_equal_scores_keep_their_order() -> None:
    assert rank_buckets(np.full(5, 0.25, dtype=np.float32), 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rows", [10, 11, 19, 103])
def test_counts_differ_by_at_most_one(rows: int) -> None:
    scores = np.random.default_rng(rows).uniform(size=rows)
    counts = np.bincount(rank_buckets(scores, 10), minlength=10)
    assert counts.sum() == rows
    assert counts.max() - counts.min() <= 1


def test_no_score_in_a_bucket_is_below_one_in_the_next() -> None:
    scores = np.random.default_rng(0).uniform(size=101)
    bucket = rank_buckets(scores, 4)
    for b in range(3):
        assert scores[bucket == b].min() >= scores[bucket == b + 1].max()


def test_fewer_rows_than_buckets_leave_buckets_empty() -> None:
    assert rank_buckets(np.array([0.1, 0.2]), 5).tolist() == [2, 0]


def test_no_rows_give_no_buckets() -> None:
    assert rank_buckets(np.empty(0, dtype=np.float32), 5).shape == (0,)
