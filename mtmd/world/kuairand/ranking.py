"""The rank measure of the teacher's report."""

import numpy as np
from numpy.typing import NDArray

from mtmd.world.kuairand.mapping import Bools


def ranking_auc(scores: NDArray[np.floating], labels: Bools) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds of rows."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(size) - (size - 1) / 2  # mean rank of each tied group, from 1
    return float((rank[group][labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
