"""How well scores rank and predict what users did."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mtmd.teacher.rows import Bools


def ranking_auc(scores: NDArray[np.floating], labels: Bools) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds of rows."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    return float((rankdata(scores)[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
