"""Rows of the held-out day with a value that no candidate of the window had, such as a new ad or a new user.

Nothing was learned of such a value but what all new values have in common. A value counts as its hash, as models read
it: a new one in the bucket of another that the window had is not cold.

N rows of a task, R requests, C cells (a task each), M predictors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.evaluate.bootstrap import BLOCK, Resampled, compare, kish, poisson_weights
from mtmd.evaluate.held_out import SliceRows
from mtmd.evaluate.metrics import Floats, Integers, clip_log_p
from mtmd.evaluate.report import ALL, ColdMetrics
from mtmd.extract.shards import Shard

_IDS = ("user_id", "ad_id")
Cold = Mapping[str, NDArray[np.bool_]]


def cold_rows(
    day: Shard, window: Iterable[Shard], declarations: Declarations, config: EvaluationConfig
) -> dict[str, NDArray[np.bool_]]:
    """For each of `cold_features` which of the day's P candidates are cold; a missing value is not.

    Of a name that both sides have, a candidate is cold if either value is new.
    """
    names = _IDS if config.cold_features is None else config.cold_features
    found = _values(day, declarations, names)
    seen = {column: {0} for column in found}
    for shard in window:
        for column, values in _values(shard, declarations, names).items():
            seen[column].update(np.unique(values).tolist())
    cold: dict[str, NDArray[np.bool_]] = {}
    for column, values in found.items():
        name, new = column[1], ~np.isin(values, list(seen[column]))
        cold[name] = cold[name] | new if name in cold else new
    return cold


def cold_metrics(
    cold: Cold,
    request: Integers,
    slices: Sequence[SliceRows],
    predictions: Mapping[str, NDArray[np.floating]],
    tasks: Sequence[str],
    config: EvaluationConfig,
    candidate: str,
) -> Iterator[ColdMetrics]:
    """LogMAE of each predictor on the cold rows of each task, and on its others; the candidate against each of them.

    `request` (P,) is the request of each candidate: whole requests are drawn anew for the intervals.
    """
    names = tuple(predictions)
    for feature, rows in cold.items():
        parts = [_task_rows(task, rows, request, slices, predictions) for task in tasks]
        compared = compare(_resample(parts, tasks, names, config), candidate, config.confidence)
        for task, part in zip(tasks, parts, strict=True):
            new, others = part.errors[part.cold], part.errors[~part.cold]
            yield ColdMetrics(
                feature=feature,
                task=task,
                rows=len(new),
                others=len(others),
                logmae={name: _mean(new[:, place]) for place, name in enumerate(names)},
                logmae_of_others={name: _mean(others[:, place]) for place, name in enumerate(names)},
                comparisons=tuple(pair for pair in compared if pair.task == task) if len(new) else (),
            )


@dataclass(frozen=True)
class _TaskRows:
    """A task's N rows over its slices: their requests (N,), errors by predictor (N, M), and which are cold (N,)."""

    request: Integers
    errors: Floats
    cold: NDArray[np.bool_]


def _task_rows(
    task: str,
    cold: NDArray[np.bool_],
    request: Integers,
    slices: Sequence[SliceRows],
    predictions: Mapping[str, NDArray[np.floating]],
) -> _TaskRows:
    parts = [part for part in slices if part.slice.task == task]
    rows = np.concatenate([np.empty(0, np.int64), *(part.rows for part in parts)])
    errors = np.empty((len(rows), len(predictions)))
    for place, log_p in enumerate(predictions.values()):
        errors[:, place] = np.concatenate([np.empty(0), *(_errors(part, log_p) for part in parts)])
    return _TaskRows(request[rows], errors, cold[rows])


def _resample(
    parts: Sequence[_TaskRows], tasks: Sequence[str], predictors: tuple[str, ...], config: EvaluationConfig
) -> Resampled:
    """The errors of the cold rows, whole requests drawn anew; a cell per task."""
    requests = np.unique(np.concatenate([part.request[part.cold] for part in parts]))
    errors = np.zeros((len(requests), len(parts), len(predictors)))  # (R, C, M)
    counts = np.zeros((len(requests), len(parts)))
    for cell, part in enumerate(parts):
        place = np.searchsorted(requests, part.request[part.cold])
        np.add.at(errors[:, cell], place, part.errors[part.cold])
        counts[:, cell] = np.bincount(place, minlength=len(requests))
    flat = errors.reshape(len(requests), len(parts) * len(predictors))
    resampled = np.zeros((config.resamples, flat.shape[1]))
    for start in range(0, len(requests), BLOCK):
        block = flat[start : start + BLOCK]
        resampled += poisson_weights(config.bootstrap_seed, start, len(block), config.resamples).T @ block
    return Resampled(
        predictors=predictors,
        cells=tuple((Slice(ALL, ALL, task), None) for task in tasks),
        sums=errors.sum(axis=0),
        resampled=resampled.reshape(config.resamples, len(parts), len(predictors)),
        requests=kish(counts.sum(axis=0), np.square(counts).sum(axis=0)),
    )


def _values(
    shard: Shard, declarations: Declarations, names: Sequence[str]
) -> dict[tuple[str, str], NDArray[np.integer]]:
    """For each side and name of these features (P,) the hashed value that each candidate of the day has."""
    return {
        (schema.side, feature.name): encoded.categorical[row.numpy(), column]
        for schema, encoded, row in (
            (declarations.query, shard.query, shard.request_row),
            (declarations.item, shard.item, shard.ad_row),
        )
        for column, feature in enumerate(schema.categorical)
        if feature.name in names
    }


def _errors(part: SliceRows, log_p: NDArray[np.floating]) -> Floats:
    return np.abs(clip_log_p(log_p[part.rows, part.task]) - part.teacher.log)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
