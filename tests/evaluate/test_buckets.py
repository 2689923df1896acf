"""Rank buckets: top first, equal counts, stable ties."""

import numpy as np
import pytest

from mtmd.evaluate.metrics import rank_buckets


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
