"""Rows of the held-out day with a value that no candidate of the window had, such as a new ad or a new user.

Nothing was learned of such a value but what all new values have in common. A value counts as its hash, as models read
it: a new one in the bucket of another that the window had is not cold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig
from mtmd.evaluate.held_out import SliceRows
from mtmd.evaluate.metrics import Floats, clip_log_p
from mtmd.evaluate.report import ColdMetrics
from mtmd.extract.shards import Shard

_IDS = ("user_id", "ad_id")
Cold = Mapping[str, NDArray[np.bool_]]


def cold_rows(
    day: Shard, window: Iterable[Shard], declarations: Declarations, config: EvaluationConfig
) -> dict[str, NDArray[np.bool_]]:
    """For each of `cold_features` which of the day's P candidates are cold; a missing value is not."""
    names = _IDS if config.cold_features is None else config.cold_features
    found = _values(day, declarations, names)
    seen = {name: {0} for name in found}
    for shard in window:
        for name, values in _values(shard, declarations, names).items():
            seen[name].update(np.unique(values).tolist())
    return {name: ~np.isin(values, list(seen[name])) for name, values in found.items()}


def cold_metrics(
    cold: Cold,
    slices: Sequence[SliceRows],
    predictions: Mapping[str, NDArray[np.floating]],
    tasks: Sequence[str],
) -> Iterator[ColdMetrics]:
    """LogMAE of each predictor on the cold rows of each task, and on its others."""
    for feature, rows in cold.items():
        for task in tasks:
            parts = [part for part in slices if part.slice.task == task]
            errors = {name: _errors(parts, log_p) for name, log_p in predictions.items()}
            chosen = np.concatenate([rows[part.rows] for part in parts]) if parts else np.empty(0, np.bool_)
            yield ColdMetrics(
                feature=feature,
                task=task,
                rows=int(chosen.sum()),
                others=int((~chosen).sum()),
                logmae={name: _mean(error[chosen]) for name, error in errors.items()},
                logmae_of_others={name: _mean(error[~chosen]) for name, error in errors.items()},
            )


def _values(shard: Shard, declarations: Declarations, names: Sequence[str]) -> dict[str, NDArray[np.integer]]:
    """For each of these features (P,) the hashed value that each candidate of the day has."""
    return {
        feature.name: encoded.categorical[row.numpy(), column]
        for schema, encoded, row in (
            (declarations.query, shard.query, shard.request_row),
            (declarations.item, shard.item, shard.ad_row),
        )
        for column, feature in enumerate(schema.categorical)
        if feature.name in names
    }


def _errors(parts: Sequence[SliceRows], log_p: NDArray[np.floating]) -> Floats:
    errors = [np.abs(clip_log_p(log_p[part.rows, part.task]) - part.teacher.log) for part in parts]
    return np.concatenate(errors) if errors else np.empty(0)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
