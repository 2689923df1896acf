"""Metrics on arrays (paper §3.2): errors against the teacher, and quality on what users really did.

Predictions are natural-log probabilities, so 0 cannot be predicted; a log-probability that float32 rounded up to 0
counts as the largest float32 below 1 (LOG_P_MAX), which keeps ln(1 − p̂) finite and accurate. Sums are float64.

Rank buckets are by teacher score inside a slice (paper Table 6); 0 is the top.

Shapes: N rows, G groups.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LOG_P_MAX = -(2.0**-24)


class TeacherTargets(NamedTuple):
    """What a teacher's scores contribute to every predictor's errors, each (N,)."""

    score: Floats
    log: Floats
    negative_entropy: Floats

    @classmethod
    def of(cls, score: NDArray[np.floating]) -> Self:
        """From (N,) scores strictly between 0 and 1."""
        p = score.astype(np.float64)
        log = np.log(p)
        return cls(p, log, p * log + (1.0 - p) * np.log1p(-p))


def row_errors(log_p: Floats, teacher: TeacherTargets) -> dict[str, Floats]:
    """Errors of (N,) log-probabilities against the teacher t, each (N,); their means are the metrics.

    LogMAE |ln p̂ − ln t|; MAE |p̂ − t|; BCE −t ln p̂ − (1 − t) ln(1 − p̂); KL(teacher ‖ student) = BCE − H(t).
    """
    p = np.exp(log_p)
    bce = -(teacher.score * log_p + (1.0 - teacher.score) * np.log1p(-p))
    return {
        "logmae": np.abs(log_p - teacher.log),
        "kl": np.maximum(bce + teacher.negative_entropy, 0.0),  # below 0 only by rounding
        "mae": np.abs(p - teacher.score),
        "bce": bce,
    }


def row_log_loss(log_p: Floats, action: NDArray[np.bool_]) -> Floats:
    """−ln of the probability given to what happened: (N,) log-probabilities and actions → (N,)."""
    return -np.where(action, log_p, np.log1p(-np.exp(log_p)))


def group_sums(values: Floats, group: Integers, groups: int) -> Floats:
    """Sum of (N,) values in each group: (G,)."""
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64)


def ratio_error(own: Floats, reference: Floats, request: Integers) -> float | None:
    """Standard error of ln(Σ own / Σ reference) over requests, by the delta method; None without rows.

    With r the ratio, √(Σ over requests of (Σ its rows' own − r · reference)²) / Σ own.
    """
    total = float(own.sum())
    if not total:
        return None
    residual = own - total / float(reference.sum()) * reference
    return float(np.sqrt(np.square(np.bincount(request, weights=residual)).sum()) / total)


def group_auc(score: Floats, action: NDArray[np.bool_], group: Integers, groups: int) -> Floats:
    """Exact area under the ROC curve in each group: (G,), NaN where a class is missing.

    Mann–Whitney: (Σ ranks of positives − n₁(n₁ + 1)/2) / (n₁ n₀), ties by their average rank.
    """
    count = np.bincount(group, minlength=groups)
    positives = np.bincount(group, weights=action, minlength=groups)
    negatives = count - positives
    first = np.cumsum(count) - count
    ranks = _average_places(score, group) - first[group] + 1.0
    rank_sum = np.bincount(group[action], weights=ranks[action], minlength=groups)
    return ratio(rank_sum - positives * (positives + 1.0) / 2.0, positives * negatives)


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, which are sums; NaN where below is 0."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    quotient: Floats = np.divide(above, below, out=np.full(shape, np.nan), where=below > 0)
    return quotient


def log_ratio(above: Floats, below: Floats) -> Floats:
    """ln(above / below); NaN where either is 0, as in an empty resample."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(above / below)
    return np.where(np.isfinite(logs), logs, np.nan)


def clip_log_p(log_p: NDArray[np.floating]) -> Floats:
    """Log-probabilities as float64, at most LOG_P_MAX."""
    return np.minimum(log_p.astype(np.float64), LOG_P_MAX)


def rank_buckets(teacher: NDArray[np.floating], buckets: int) -> NDArray[np.int64]:
    """Bucket of each row of one slice: (N,) scores → (N,) integers in 0..buckets − 1.

    The row of rank r (0 = highest score) falls in bucket ⌊r · buckets / N⌋, so counts differ by at most one.
    Equal scores keep their order in the day's candidates (by request, then ad): the same logs always give the
    same buckets. With fewer rows than buckets some buckets stay empty.
    """
    rows = len(teacher)
    order = np.argsort(-teacher, kind="stable")
    bucket = np.empty(rows, dtype=np.int64)
    bucket[order] = np.arange(rows) * buckets // max(rows, 1)
    return bucket


def _average_places(score: Floats, group: Integers) -> Floats:
    """Place of each row in the order by (group, score), from 0; rows that tie share their mean place."""
    order = np.lexsort((score, group))
    s, g = score[order], group[order]
    starts = np.ones(len(score), dtype=np.bool_)
    starts[1:] = (s[1:] != s[:-1]) | (g[1:] != g[:-1])
    run = np.cumsum(starts) - 1  # (N,) index of each row's run of ties
    lengths = np.bincount(run)
    first = np.cumsum(lengths) - lengths
    places = np.empty(len(score), dtype=np.float64)
    places[order] = (first + (lengths - 1) / 2.0)[run] if len(score) else 0.0
    return places
