"""Compare predictors with a held-out day: by slice, rank bucket, and over a task's slices (paper §3.2).

P candidates of the day; N rows of a task.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate import metrics
from mtmd.evaluate.bootstrap import Predictions, compare
from mtmd.evaluate.held_out import HeldOutDay, Scored, SliceRows, cut, whole_tasks
from mtmd.evaluate.metrics import Floats
from mtmd.evaluate.report import EvaluationReport, SliceMetrics

METRICS_FORMAT = 7  # raise it whenever the same predictions of the same rows would give another report
_ROUNDING = 1e-6  # a float32 log-probability may exceed 0 by rounding; more is not a probability
Values = dict[str, Floats]  # name → (N,) what each row adds
Sums = dict[str, Floats]  # name → (B,) by rank bucket; they add up over slices


def evaluate_predictors(
    as_of: date,
    declarations: Declarations,
    day: HeldOutDay,
    predictions: Predictions,
    config: EvaluationConfig,
    *,
    candidate: str | None = None,
    ages: Mapping[str, int] = MappingProxyType({}),
) -> EvaluationReport:
    """Metrics of each predictor's (P, T) log-probabilities, rows in the order of the day's candidates.

    `candidate` is one of the predictors, the first where it is left out. `ages` says how old rivals are that an earlier
    day trained. Values where the task does not apply are not read.

    Raises EvaluationError naming predictor, slice and count of bad values.
    """
    candidate = candidate or next(iter(predictions))
    slices = list(cut(day, declarations, config))
    tasks = list(whole_tasks(slices))
    scored = {predictor: Scored.of(day, log_p, config.kept) for predictor, log_p in predictions.items()}
    numbers: list[SliceMetrics] = []
    for predictor, (raw, kept) in scored.items():
        log_p = {part.slice: log_probabilities(predictor, part, raw) for part in slices}
        sums: dict[Slice, Sums] = {}
        found: dict[Slice, list[SliceMetrics]] = {}
        for part in slices:
            own = log_p[part.slice]
            values = values_of(part, own, kept)
            sums[part.slice] = _sums(part, values, config.buckets)
            found[part.slice] = list(_rows(predictor, part, own, values, sums[part.slice]))
        numbers += [one for where in declarations.domains.slices for one in found[where]]
        for whole, parts in tasks:
            own = np.concatenate([log_p[part.slice] for part in parts])
            of_parts = [sums[part.slice] for part in parts]
            added = {name: np.sum([one[name] for one in of_parts], axis=0) for name in of_parts[0]}
            numbers += _rows(predictor, whole, own, values_of(whole, own, kept), added)
    return EvaluationReport(
        as_of=as_of,
        candidate=candidate,
        predictors=tuple(predictions),
        buckets=config.buckets,
        winners=config.winners,
        kept=config.kept,
        actions=declarations.domains.action_tasks,
        metrics=tuple(numbers),
        comparisons=tuple(compare(slices, scored, config, candidate)),
        ages=dict(ages),
        confidence=config.confidence,
        seed_noise=config.seed_noise,
    )


def log_probabilities(predictor: str, part: SliceRows, log_p: NDArray[np.floating]) -> Floats:
    """(N,) of the slice's rows; raises EvaluationError where one is none."""
    raw = log_p[part.rows, part.task]
    bad = np.flatnonzero(~(np.isfinite(raw) & (raw <= _ROUNDING)))
    if len(bad):
        raise EvaluationError(
            f"predictor {predictor!r} on {part.slice}: {len(bad)} of {len(raw)} values are not finite "
            f"log-probabilities ≤ 0, such as {raw[bad[0]]}; do not promote this model, look at its training"
        )
    return metrics.clip_log_p(raw)


def values_of(part: SliceRows, log_p: Floats, kept: NDArray[np.bool_]) -> Values:
    """What each row adds to each sum; rows that were not shown add nothing to those of impressions."""
    values = metrics.row_values(log_p, kept[part.rows, part.task], part.teacher)
    for name, shown in metrics.impression_values(log_p[part.observed], part.action).items():
        values[name] = np.zeros(len(log_p))
        values[name][part.observed] = shown
    return values


def _sums(part: SliceRows, values: Values, buckets: int) -> Sums:
    return {
        name: np.bincount(part.bucket, weights=own, minlength=buckets).astype(np.float64)
        for name, own in values.items()
    }


def _rows(
    predictor: str, part: SliceRows, log_p: Floats, values: Values, sums: Sums
) -> Iterator[SliceMetrics]:
    """All rows first, then bucket by bucket."""
    buckets, shown, place = len(part.requests) - 1, log_p[part.observed], part.bucket[part.observed]
    errors = _errors(part, shown, values)
    for bucket, requests in zip((None, *range(buckets)), part.requests, strict=True):
        inside = slice(None) if bucket is None else slice(bucket, bucket + 1)
        among = slice(None) if bucket is None else place == bucket
        totals = {name: float(by_bucket[inside].sum()) for name, by_bucket in sums.items()}
        yield SliceMetrics(
            predictor=predictor,
            **part.slice._asdict(),
            bucket=bucket,
            rows=int(totals["rows"]),
            requests=requests,
            impressions=int(totals["impressions"]),
            positives=int(totals["positives"]),
            contested=int(totals.get("contested", 0)),
            errors=errors if bucket is None else {},
            **_ratios(totals),
            auc=metrics.area(shown[among], part.action[among]),
        )


def _ratios(totals: dict[str, float]) -> dict[str, Any]:
    """The metrics that `SliceMetrics` keeps; None where there is nothing below."""
    return {
        metric.name: totals[metric.above] / totals[metric.below] if totals[metric.below] else None
        for metric in metrics.METRICS
        if {metric.above, metric.below} <= totals.keys() and metric.name in SliceMetrics.model_fields
    }


def _errors(part: SliceRows, shown: Floats, values: Values) -> dict[str, float]:
    """Standard errors over requests, as far as they are known."""
    errors: dict[str, float | None] = {}
    level = [metrics.NAMED["calibration"]] if part.source == "actions" else []
    for metric in (*(one for one in metrics.METRICS if one.sure), *level):
        if not metric.above:
            errors[metric.name] = metrics.area_error(shown, part.action, part.request[part.observed])
        elif {metric.above, metric.below} <= values.keys():
            errors[metric.name] = metrics.ratio_error(
                values[metric.above], values[metric.below], part.request
            )
    return {name: error for name, error in errors.items() if error is not None}
