"""How sure AUC and log loss are on what users really did: standard errors over requests, as of calibration.

Rows of a request share a user and a context, so a request is the unit that is drawn. The error of AUC is DeLong's, with
the parts of a request taken together (E. R. DeLong et al., Biometrics 44 (1988); N. A. Obuchowski, Biometrics 53
(1997)); of log loss it is the delta method's.

M impressions with an observed action.
"""

from math import exp
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mtmd.evaluate.metrics import Floats, Integers, ratio_error, row_log_loss
from mtmd.evaluate.report import SliceMetrics

Interval = tuple[float, float]


def action_errors(log_p: Floats, action: NDArray[np.bool_], request: Integers) -> dict[str, float | None]:
    """The fields `auc_error` and `log_loss_error` of (M,) log-probabilities, actions and requests."""
    loss = row_log_loss(log_p, action)
    return {
        "auc_error": auc_error(log_p, action, request),
        "log_loss_error": ratio_error(loss, np.ones(len(loss)), request),
    }


def auc_error(score: Floats, action: NDArray[np.bool_], request: Integers) -> float | None:
    """Standard error of the area under the ROC curve; None with fewer than two of a class.

    A positive contributes the share of negatives below it, a negative the share of positives above it; the area's
    error is that of the mean over requests of what their rows contribute.
    """
    positive, negative = score[action], score[~action]
    if min(len(positive), len(negative)) < 2:
        return None
    below = _share_below(positive, negative)
    above = 1.0 - _share_below(negative, positive)
    influence = np.empty(len(score))
    influence[action] = (below - below.mean()) / len(positive)
    influence[~action] = (above - above.mean()) / len(negative)
    return float(np.sqrt(np.square(np.bincount(request, weights=influence)).sum()))


def auc_interval(metrics: SliceMetrics, confidence: float) -> Interval | None:
    """Of a slice's AUC, inside 0 and 1; None where its error is not known."""
    if metrics.auc is None or metrics.auc_error is None:
        return None
    half = _reach(confidence) * metrics.auc_error
    return max(0.0, metrics.auc - half), min(1.0, metrics.auc + half)


def log_loss_interval(metrics: SliceMetrics, confidence: float) -> Interval | None:
    """Of a slice's log loss; None where its error is not known."""
    if metrics.log_loss is None or metrics.log_loss_error is None:
        return None
    factor = exp(_reach(confidence) * metrics.log_loss_error)
    return metrics.log_loss / factor, metrics.log_loss * factor


def calibration_interval(metrics: SliceMetrics, confidence: float) -> Interval | None:
    """Of a slice's mean prediction / mean teacher score; None where its error is not known."""
    ratio = metrics.teacher_calibration
    if ratio is None or metrics.calibration_error is None:
        return None
    factor = exp(_reach(confidence) * metrics.calibration_error)
    return ratio / factor, ratio * factor


def _reach(confidence: float) -> float:
    """Standard errors to either side: 1.96 for 95 %."""
    return NormalDist().inv_cdf((1.0 + confidence) / 2.0)


def _share_below(values: Floats, others: Floats) -> Floats:
    """Share of `others` below each value; ties count half."""
    ordered = np.sort(others)
    places = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return places / (2.0 * len(others))
