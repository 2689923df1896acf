"""Compare predictors with a held-out day: by slice, rank bucket, and over a task's slices (paper §3.2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate.bootstrap import compare, resample
from mtmd.evaluate.cold import Cold, cold_metrics
from mtmd.evaluate.explored import explored_metrics
from mtmd.evaluate.held_out import HeldOutDay, SliceRows, cut
from mtmd.evaluate.metrics import (
    Floats,
    Integers,
    clip_log_p,
    group_auc,
    group_sums,
    ratio_error,
    row_errors,
    row_log_loss,
)
from mtmd.evaluate.on_actions import action_errors
from mtmd.evaluate.report import ALL, EvaluationReport, ExploredMetrics, SliceMetrics

METRICS_FORMAT = 4  # raise it whenever the same predictions of the same rows would give another report
_MEANS = ("logmae", "kl", "mae", "bce", "mean_prediction", "mean_teacher")  # over all rows
_ROUNDING = 1e-6  # a float32 log-probability may exceed 0 by rounding; more is not a probability


def evaluate_predictors(
    as_of: date,
    declarations: Declarations,
    day: HeldOutDay,
    predictions: Mapping[str, NDArray[np.floating]],
    config: EvaluationConfig,
    *,
    candidate: str = "mtmd",
    cold: Cold = MappingProxyType({}),
    ages: Mapping[str, int] = MappingProxyType({}),
) -> EvaluationReport:
    """Metrics of each predictor's (P, T) log-probabilities, rows in the order of the day's candidates.

    `cold` says of features which of the P rows have a value that the window never had, `ages` how old rivals are that
    an earlier day trained.

    A bucket of an aggregate is the union of that bucket over the task's slices. Values where the task does
    not apply are not read. Raises EvaluationError naming predictor, slice and count of bad values.
    """
    day.check(declarations)
    _check_predictions(day, predictions, candidate)
    tasks = declarations.domains.task_names
    slices = list(cut(day, declarations, config.buckets))
    metrics: list[SliceMetrics] = []
    for predictor, log_p in predictions.items():
        scored = [_score(predictor, part, log_p, day.request[part.rows], config.buckets) for part in slices]
        by_slice = {part.slice: part for part in scored}
        metrics += [m for where in declarations.domains.slices for m in _rows(predictor, by_slice[where])]
        for task in tasks:
            parts = [part for part in scored if part.slice.task == task]
            if parts:
                metrics += _rows(predictor, _aggregate(task, parts))
    return EvaluationReport(
        as_of=as_of,
        candidate=candidate,
        predictors=tuple(predictions),
        buckets=config.buckets,
        metrics=tuple(metrics),
        comparisons=compare(resample(day, slices, predictions, config), candidate, config.confidence),
        cold=tuple(cold_metrics(cold, day.request, slices, predictions, tasks, config, candidate)),
        explored=() if day.explored is None else _explored(day, day.explored, declarations, predictions),
        ages=dict(ages),
        confidence=config.confidence,
        seed_noise=config.seed_noise,
    )


def _explored(
    day: HeldOutDay,
    explored: NDArray[np.bool_],
    declarations: Declarations,
    predictions: Mapping[str, NDArray[np.floating]],
) -> tuple[ExploredMetrics, ...]:
    """Of all rows, whichever of them the other tables are about."""
    parts = list(cut(day, declarations, 1))
    for predictor, log_p in predictions.items():
        for part in parts:
            _log_probabilities(predictor, part, log_p)
    return tuple(explored_metrics(explored, parts, predictions, declarations.domains.task_names))


def _log_probabilities(predictor: str, part: SliceRows, log_p: NDArray[np.floating]) -> Floats:
    """(N,) of the slice's rows; raises EvaluationError where one is none."""
    raw = log_p[part.rows, part.task]
    bad = np.flatnonzero(~(np.isfinite(raw) & (raw <= _ROUNDING)))
    if len(bad):
        raise EvaluationError(
            f"predictor {predictor!r} on {part.slice}: {len(bad)} of {len(raw)} values are not finite "
            f"log-probabilities ≤ 0, such as {raw[bad[0]]}; do not promote this model, look at its training"
        )
    return clip_log_p(raw)


@dataclass(frozen=True)
class _Scored:
    """One predictor on one slice or aggregate.

    sums      name → (B,) sums by rank bucket; they add up over slices
    seen      (B, R) which requests have a row in each bucket
    log_p, action, bucket, request   (M,) of the impressions with an observed action, for AUC
    ratio_error   standard error of ln(Σ p̂ / Σ teacher); None for an aggregate
    """

    slice: Slice
    sums: dict[str, Floats]
    seen: NDArray[np.bool_]
    log_p: Floats
    action: NDArray[np.bool_]
    bucket: Integers
    request: Integers
    ratio_error: float | None = None


def _check_predictions(
    day: HeldOutDay, predictions: Mapping[str, NDArray[np.floating]], candidate: str
) -> None:
    if candidate not in predictions:
        raise EvaluationError(
            f"candidate {candidate!r} has no predictions; give it beside {list(predictions)}"
        )
    for predictor, log_p in predictions.items():
        if log_p.shape != day.teacher.shape:
            raise EvaluationError(
                f"predictor {predictor!r} has shape {log_p.shape}; it must be {day.teacher.shape}: "
                "one row per candidate of the day, one column per task"
            )


def _score(
    predictor: str, part: SliceRows, log_p: NDArray[np.floating], request: Integers, buckets: int
) -> _Scored:
    own = _log_probabilities(predictor, part, log_p)
    shown, shown_bucket = own[part.observed], part.bucket[part.observed]
    by_row = {
        **row_errors(own, part.teacher),
        "mean_prediction": np.exp(own),
        "mean_teacher": part.teacher.score,
        "rows": np.ones(len(own)),
    }
    by_impression = {
        "log_loss": row_log_loss(shown, part.action),
        "shown_prediction": np.exp(shown),
        "positives": part.action.astype(np.float64),
        "impressions": np.ones(len(shown)),
    }
    sums = {name: group_sums(values, part.bucket, buckets) for name, values in by_row.items()}
    sums |= {name: group_sums(values, shown_bucket, buckets) for name, values in by_impression.items()}
    error = ratio_error(by_row["mean_prediction"], by_row["mean_teacher"], request)
    return _Scored(
        part.slice, sums, part.seen, shown, part.action, shown_bucket, request[part.observed], error
    )


def _aggregate(task: str, parts: Sequence[_Scored]) -> _Scored:
    return _Scored(
        slice=Slice(ALL, ALL, task),
        sums={name: np.sum([part.sums[name] for part in parts], axis=0) for name in parts[0].sums},
        seen=np.logical_or.reduce([part.seen for part in parts]),
        log_p=np.concatenate([part.log_p for part in parts]),
        action=np.concatenate([part.action for part in parts]),
        bucket=np.concatenate([part.bucket for part in parts]),
        request=np.concatenate([part.request for part in parts]),
    )


def _rows(predictor: str, part: _Scored) -> Iterator[SliceMetrics]:
    """All rows first, then bucket by bucket."""
    buckets = len(part.seen)
    auc = group_auc(part.log_p, part.action, part.bucket, buckets)
    auc_all = group_auc(part.log_p, part.action, np.zeros_like(part.bucket), 1)
    for bucket, area in zip((None, *range(buckets)), (*auc_all, *auc), strict=True):
        inside = slice(None) if bucket is None else slice(bucket, bucket + 1)
        sums = {name: float(values[inside].sum()) for name, values in part.sums.items()}
        yield SliceMetrics(
            predictor=predictor,
            **part.slice._asdict(),
            bucket=bucket,
            rows=int(sums["rows"]),
            requests=int(part.seen[inside].any(axis=0).sum()),
            **{name: _ratio(sums[name], sums["rows"]) for name in _MEANS},
            impressions=int(sums["impressions"]),
            positives=int(sums["positives"]),
            auc=None if np.isnan(area) else float(area),
            log_loss=_ratio(sums["log_loss"], sums["impressions"]),
            calibration=_ratio(sums["shown_prediction"], sums["positives"]),
            calibration_error=part.ratio_error if bucket is None else None,
            **(action_errors(part.log_p, part.action, part.request) if bucket is None else {}),
        )


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
