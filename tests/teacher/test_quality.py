"""AUC against numbers known by hand."""

import numpy as np

from mtmd.teacher.quality import ranking_auc


def test_auc_counts_ties_half() -> None:
    # pairs (positive, negative): 0.9>0.5, 0.9>0.1, 0.5=0.5, 0.5>0.1 → 3.5 of 4
    auc = ranking_auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    assert auc == 3.5 / 4


def test_auc_is_none_without_both_outcomes() -> None:
    assert ranking_auc(np.array([0.1, 0.2]), np.array([True, True])) is None
    assert ranking_auc(np.array([0.1, 0.2]), np.array([False, False])) is None
