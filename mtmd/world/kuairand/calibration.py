"""Platt scaling and the rank measure of the teacher's report."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RIDGE = 10.0  # pseudo-rows that hold (slope, offset) near (1, 0) where actions are few
_STEPS = 25


def fit_platt(logits: Floats, labels: Bools) -> tuple[float, float]:
    """(slope, offset) that maximise the likelihood of σ(slope · logit + offset), by Newton's method.

    With an offset in it, the mean of the scores equals the mean action but for the ridge.
    """
    design = np.stack([logits, np.ones_like(logits)], axis=1)  # (N, 2)
    start = np.array([1.0, 0.0])
    weights = start.copy()
    for _ in range(_STEPS):
        score = 1.0 / (1.0 + np.exp(-(design @ weights)))
        gradient = design.T @ (score - labels) + _RIDGE * (weights - start)
        hessian = (design * (score * (1 - score))[:, None]).T @ design + _RIDGE * np.eye(2)
        weights = weights - np.linalg.solve(hessian, gradient)
    return float(weights[0]), float(weights[1])


def ranking_auc(scores: NDArray[np.floating], labels: Bools) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds of rows."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(size) - (size - 1) / 2  # mean rank of each tied group, from 1
    return float((rank[group][labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
