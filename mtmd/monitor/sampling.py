"""The champion's figures on a day, and how much chance alone moves them: standard errors over requests.

Rows of a request share a user and a context, so a request is the unit that is drawn. Errors are by the delta method,
of the logarithm where a figure is compared as a ratio; that of AUC is `mtmd.evaluate.on_actions`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay, SliceRows, cut
from mtmd.evaluate.metrics import clip_log_p, ratio_error
from mtmd.evaluate.on_actions import auc_error
from mtmd.evaluate.report import ALL, EvaluationReport

# There is no rival to compare with, so no bootstrap of a comparison either.
_CONFIG = EvaluationConfig(interval_buckets=0, resamples=100)


@dataclass(frozen=True)
class SamplingErrors:
    """Standard errors of a slice's figures on one day; None where there is nothing to tell one from.

    logmae, calibration, prediction   of the logarithm        auc   of the area itself
    """

    logmae: float | None
    calibration: float | None
    prediction: float | None
    auc: float | None


@dataclass(frozen=True)
class DayFigures:
    """What the champion's predictions of a day are worth: metrics, and standard errors of every slice and task."""

    report: EvaluationReport
    errors: dict[Slice, SamplingErrors]


def day_figures(
    as_of: date,
    declarations: Declarations,
    day: HeldOutDay,
    log_p: NDArray[np.floating],
) -> DayFigures:
    """From (P, T) log-probabilities of the day's candidates."""
    report = evaluate_predictors(as_of, declarations, day, {"mtmd": log_p}, _CONFIG)
    return DayFigures(report, _sampling_errors(day, declarations, log_p))


def _sampling_errors(
    day: HeldOutDay, declarations: Declarations, log_p: NDArray[np.floating]
) -> dict[Slice, SamplingErrors]:
    parts = list(cut(day, declarations, 1))
    of_task = {
        task: [part for part in parts if part.slice.task == task] for task in declarations.domains.task_names
    }
    found = {part.slice: _errors(day, [part], log_p) for part in parts}
    return found | {Slice(ALL, ALL, task): _errors(day, own, log_p) for task, own in of_task.items() if own}


def _errors(day: HeldOutDay, parts: Sequence[SliceRows], log_p: NDArray[np.floating]) -> SamplingErrors:
    own = np.concatenate([clip_log_p(log_p[part.rows, part.task]) for part in parts])
    teacher = np.concatenate([part.teacher.score for part in parts])
    request = np.concatenate([day.request[part.rows] for part in parts])
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    observed = np.concatenate([part.observed + start for part, start in zip(parts, starts, strict=False)])
    action = np.concatenate([part.action for part in parts])
    prediction, ones = np.exp(own), np.ones(len(own))
    return SamplingErrors(
        logmae=ratio_error(np.abs(own - np.log(teacher)), ones, request),
        calibration=ratio_error(prediction, teacher, request),
        prediction=ratio_error(prediction, ones, request),
        auc=auc_error(own[observed], action, request[observed]),
    )
