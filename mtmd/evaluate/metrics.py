"""The table of metrics (paper §3.2): errors against the teacher, and quality on what users really did.

Of a task that learns from actions, NE (X. He et al., ADKDD 2014) takes the place of the errors against the teacher: the
log loss of the shown ads over that of a model which knows the slice's rate of the day. Below 1 is better than the rate.

Evaluation, gates, monitor and page read `METRICS`. A new metric is a row of it, what a row of candidates adds to it
(`row_values`, `impression_values`), and a field of `SliceMetrics`.

Predictions are natural-log probabilities, so 0 cannot be predicted; a log-probability that float32 rounded up to 0
counts as the largest float32 below 1 (LOG_P_MAX), which keeps ln(1 − p̂) finite and accurate. Sums are float64.

Shapes: N rows, M impressions with an observed action.
"""

from dataclasses import dataclass
from math import exp, inf, log, log1p
from statistics import NormalDist
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Slice
from mtmd.config.domains import LearnFrom
from mtmd.evaluate.report import EvaluationReport, SliceMetrics

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Interval = tuple[float, float]

LOG_P_MAX = -(2.0**-24)


@dataclass(frozen=True)
class Metric:
    """A number of a predictor on a slice: Σ above / Σ below over its rows, but for AUC, which has no sums.

    name     of the field of `SliceMetrics`         label   for people
    better   the direction; `one`: a ratio that should be 1; None: it tells nothing alone
    sure     whether its standard error over requests is known: of its logarithm, of AUC itself
    paired   whether it is told first, and compared with every rival on the same requests
    source   which tasks have it, by what they learn from; None: all
    form     how it is written
    """

    name: str
    label: str
    better: Literal["lower", "higher", "one"] | None
    above: str = ""
    below: str = ""
    sure: bool = False
    paired: bool = False
    form: str = ".4f"
    source: LearnFrom | None = None

    def of(self, metrics: SliceMetrics) -> float | None:
        """The number itself; None where it is undefined."""
        value: float | None = getattr(metrics, self.name)
        return value

    def interval(self, metrics: SliceMetrics, confidence: float) -> Interval | None:
        """Of the number; None where its error is not known."""
        value, error = self.of(metrics), metrics.errors.get(self.name)
        if value is None or error is None:
            return None
        reach = NormalDist().inv_cdf((1.0 + confidence) / 2.0) * error
        if not self.above:
            return max(0.0, value - reach), min(1.0, value + reach)
        most = 1.0 if self.better == "higher" else inf  # what should be high is a share
        return value / exp(reach), min(most, value * exp(reach))


SCORES: LearnFrom = "scores"
ACTIONS: LearnFrom = "actions"
METRICS = (
    Metric("logmae", "LogMAE", "lower", "logmae", "rows", sure=True, paired=True, source=SCORES),
    Metric("recall", "recall", "higher", "recalled", "contested", sure=True, paired=True, form=".2%", source=SCORES),
    Metric(
        "winner_kl", "KL of winners", "lower", "winner_kl", "winners", sure=True, paired=True, form=".5f", source=SCORES
    ),
    Metric("ne", "NE", "lower", "log_loss", "entropy", sure=True, paired=True, source=ACTIONS),
    Metric("kl", "KL", "lower", "kl", "rows", source=SCORES),
    Metric("mae", "MAE", "lower", "mae", "rows", source=SCORES),
    Metric("bce", "BCE", "lower", "bce", "rows", source=SCORES),
    Metric("mean_prediction", "mean prediction", None, "prediction", "rows", sure=True),
    Metric("mean_teacher", "mean teacher score", None, "teacher", "rows", source=SCORES),
    Metric("teacher_calibration", "calibration to teacher", "one", "prediction", "teacher", sure=True, source=SCORES),
    Metric("auc", "AUC", "higher", sure=True),
    Metric("log_loss", "log loss", "lower", "log_loss", "impressions", sure=True),
    Metric("calibration", "calibration to actions", "one", "shown_prediction", "positives"),
)  # fmt: skip
NAMED = {metric.name: metric for metric in METRICS}
QUALITIES = tuple(metric for metric in METRICS if metric.better)  # that say which of two models is better
PAIRED = tuple(metric for metric in METRICS if metric.paired)
LOGMAE, RECALL = NAMED["logmae"], NAMED["recall"]


def error_at(report: EvaluationReport, where: Slice) -> Metric:
    """What gates, comparisons and pages take for the error of a slice or task."""
    return NAMED[report.error_at(where)]


def level_at(report: EvaluationReport, where: Slice) -> Metric:
    """The calibration that a slice or task is judged by: to the teacher's scores, or to actions without any."""
    return NAMED["teacher_calibration" if error_at(report, where) is LOGMAE else "calibration"]


def applies(metric: Metric, report: EvaluationReport, where: Slice) -> bool:
    """Whether a slice or task has the metric; all tasks together, where one of them has."""
    return metric.source is None or metric.source in report.sources(where.task)


class TeacherTargets(NamedTuple):
    """What a teacher's scores contribute to every predictor's errors, each (N,).

    winner     1 where the heavyweight ranker has the row among the first k of its request, else 0
    contested  1 of a winner that a cut can lose: its request has more candidates than are kept
    """

    score: Floats
    log: Floats
    negative_entropy: Floats
    winner: Floats
    contested: Floats

    @classmethod
    def of(cls, score: NDArray[np.floating], winner: NDArray[np.bool_], cut: NDArray[np.bool_]) -> Self:
        """From (N,) scores strictly between 0 and 1, which are winners, and whose requests a cut makes smaller."""
        p = score.astype(np.float64)
        log = np.log(p)
        entropy = p * log + (1.0 - p) * np.log1p(-p)
        return cls(p, log, entropy, winner.astype(np.float64), (winner & cut).astype(np.float64))


class ActionTargets(NamedTuple):
    """What the actions on shown ads contribute to every predictor's errors, each (N,).

    action   1 where it happened, else 0        entropy  of the slice's rate of the day, which is NE's unit
    """

    action: Floats
    entropy: Floats

    @classmethod
    def of(cls, action: NDArray[np.floating]) -> Self:
        """From (N,) actions of a slice; one in which all or none happened has no entropy, and so no NE."""
        rate = float(action.mean()) if len(action) else 0.0
        own = -(rate * log(rate) + (1.0 - rate) * log1p(-rate)) if 0.0 < rate < 1.0 else 0.0
        return cls(action.astype(np.float64), np.full(len(action), own))


Targets = TeacherTargets | ActionTargets


def row_values(log_p: Floats, kept: NDArray[np.bool_], targets: Targets) -> dict[str, Floats]:
    """What each of N rows adds to the sums, from its log-probability, whether it is kept, and what it is compared with.

    Against a teacher's score t: LogMAE |ln p̂ − ln t|; MAE |p̂ − t|; BCE −t ln p̂ − (1 − t) ln(1 − p̂); KL(teacher ‖
    student) = BCE − H(t). Recall is the share of contested winners that are kept.
    """
    if isinstance(targets, TeacherTargets):
        return _teacher_values(log_p, kept, targets)
    shown = impression_values(log_p, targets.action > 0.0)
    return shown | {
        "entropy": targets.entropy,
        "prediction": shown["shown_prediction"],
        "rows": shown["impressions"],
    }


def _teacher_values(log_p: Floats, kept: NDArray[np.bool_], teacher: TeacherTargets) -> dict[str, Floats]:
    p = np.exp(log_p)
    bce = -(teacher.score * log_p + (1.0 - teacher.score) * np.log1p(-p))
    kl = np.maximum(bce + teacher.negative_entropy, 0.0)  # below 0 only by rounding
    return {
        "logmae": np.abs(log_p - teacher.log),
        "recalled": teacher.contested * kept,
        "contested": teacher.contested,
        "winner_kl": kl * teacher.winner,
        "winners": teacher.winner,
        "kl": kl,
        "mae": np.abs(p - teacher.score),
        "bce": bce,
        "prediction": p,
        "teacher": teacher.score,
        "rows": np.ones(len(p)),
    }


def impression_values(log_p: Floats, action: NDArray[np.bool_]) -> dict[str, Floats]:
    """What each of M impressions adds to the sums; log loss is −ln of the probability given to what happened."""
    p = np.exp(log_p)
    return {
        "log_loss": -np.where(action, log_p, np.log1p(-p)),
        "shown_prediction": p,
        "positives": action.astype(np.float64),
        "impressions": np.ones(len(p)),
    }


def ratio_error(own: Floats, reference: Floats, request: Integers) -> float | None:
    """Standard error of ln(Σ own / Σ reference) over requests, by the delta method; None where either is 0.

    Rows of a request share a user and a context, so a request is the unit that is drawn. With r the ratio,
    √(Σ over requests of (Σ its rows' own − r · reference)²) / Σ own.
    """
    total, below = float(own.sum()), float(reference.sum())
    if not total or not below:
        return None
    residual = own - total / below * reference
    return float(np.sqrt(np.square(np.bincount(request, weights=residual)).sum()) / total)


def area(score: Floats, action: NDArray[np.bool_]) -> float | None:
    """Exact area under the ROC curve, by Mann–Whitney: the share of pairs in order; None where a class is missing."""
    positive, negative = score[action], score[~action]
    if not len(positive) or not len(negative):
        return None
    return float(_twice_below(positive, negative).sum() / 2.0 / (len(positive) * len(negative)))


def area_error(score: Floats, action: NDArray[np.bool_], request: Integers) -> float | None:
    """Standard error of the area under the ROC curve over requests; None with fewer than two of a class.

    The parts of a request are taken together (N. A. Obuchowski, Biometrics 53 (1997)).
    """
    if min(action.sum(), (~action).sum()) < 2:
        return None
    influence = area_influence(score, action)
    return float(np.sqrt(np.square(np.bincount(request, weights=influence)).sum()))


def area_influence(score: Floats, action: NDArray[np.bool_]) -> Floats:
    """What each of M impressions moves the area by, if it counted once more; both classes must be there.

    A positive contributes the share of negatives below it, a negative the share of positives above it, each less the
    mean of its class (E. R. DeLong et al., Biometrics 44 (1988)).
    """
    positive, negative = score[action], score[~action]
    below = _twice_below(positive, negative) / (2.0 * len(negative))
    above = 1.0 - _twice_below(negative, positive) / (2.0 * len(positive))
    influence = np.empty(len(score))
    influence[action] = (below - below.mean()) / len(positive)
    influence[~action] = (above - above.mean()) / len(negative)
    return influence


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


def _twice_below(values: Floats, others: Floats) -> Integers:
    """Twice how many of `others` are below each value; ties count half."""
    ordered = np.sort(others)
    return np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
