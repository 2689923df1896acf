"""From embeddings to probabilities and ranks: the numpy twin of `mtmd.model.scores` (paper §2.2, §2.3).

Shapes: P pairs, T tasks, N scores to rank.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def tree_log_probability(logits: NDArray[np.float32], parents: Sequence[int | None]) -> NDArray[np.float32]:
    """log P(task) = log sigmoid(logit of task) + log P(parent); a root has no parent.

    logits (…, T), where logit t belongs to P(task t | its parent); parents[t] < t. Returns (…, T) float32,
    finite for finite logits: log sigmoid(x) = −log(1 + e^−x) = min(x, 0) − log1p(e^−|x|).
    """
    logits = logits.astype(np.float32, copy=False)
    joint = np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
    for task, parent in enumerate(parents):
        if parent is not None:
            joint[..., task] += joint[..., parent]
    return joint


def first_best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the k highest of (N,) scores in ascending order, the first ones of equal scores: (min(k, N),).

    For scores that are not NaN; takes time linear in N.
    """
    if len(scores) <= k:
        return np.arange(len(scores))
    level = np.partition(scores, -k)[-k]
    above = np.flatnonzero(scores > level)
    equal = np.flatnonzero(scores == level)[: k - len(above)]
    return np.sort(np.concatenate([above, equal]))


def top_k(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Indices of the k highest of (N,) scores, highest first: (min(k, N),).

    Exact; equal scores keep their order in the input, so the same input always gives the same answer. NaN
    (the task does not apply) ranks nowhere.
    """
    order = np.argsort(-scores, kind="stable")  # NaN sorts last
    applicable = int((~np.isnan(scores)).sum())
    ranked: NDArray[np.int64] = order[: min(k, applicable)]
    return ranked
