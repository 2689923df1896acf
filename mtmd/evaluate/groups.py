"""Groups of rows whose errors are told apart: of new users and ads, and those that were drawn at random.

A row is new in a feature where no candidate of the window had its value: nothing was learned of such a value but what
all new values have in common. A value counts as its hash, as models read it: a new one in the bucket of another that
the window had is not new. Explored rows were drawn from the eligible ads, where the others were chosen by retrieval: a
ranker meets every eligible ad, and chosen rows say little of ads that retrieval never chooses.

P candidates of the day; N rows of a task.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.evaluate.held_out import HeldOutDay, SliceRows
from mtmd.evaluate.metrics import Floats, clip_log_p
from mtmd.evaluate.report import GroupMetrics
from mtmd.extract.shards import Shard

IDS = ("user_id", "ad_id")  # features whose new values are told apart
Groups = Mapping[str, NDArray[np.bool_]]


def row_groups(
    shard: Shard, day: HeldOutDay, window: Iterable[Shard], declarations: Declarations
) -> dict[str, NDArray[np.bool_]]:
    """`new user_id`, `new ad_id` and `explored` → which of the day's P candidates; a missing value is not new."""
    found = _values(shard, declarations)
    seen = {name: {0} for name in found}
    for earlier in window:
        for name, values in _values(earlier, declarations).items():
            seen[name].update(np.unique(values).tolist())
    groups = {f"new {name}": ~np.isin(values, list(seen[name])) for name, values in found.items()}
    return groups if day.explored is None else groups | {"explored": day.explored}


def group_metrics(
    groups: Groups, tasks: Sequence[SliceRows], predictions: Mapping[str, NDArray[np.floating]]
) -> Iterator[GroupMetrics]:
    """LogMAE and calibration of each predictor on the rows of each group and task, and on the task's other rows."""
    for group, rows in groups.items():
        for part in tasks:
            inside = rows[part.rows]
            own, others = (
                {name: _figures(log_p, part, chosen) for name, log_p in predictions.items()}
                for chosen in (inside, ~inside)
            )
            yield GroupMetrics(
                group=group,
                task=part.slice.task,
                rows=int(inside.sum()),
                others=int((~inside).sum()),
                logmae={name: logmae for name, (logmae, _) in own.items()},
                logmae_of_others={name: logmae for name, (logmae, _) in others.items()},
                calibration={name: level for name, (_, level) in own.items()},
                calibration_of_others={name: level for name, (_, level) in others.items()},
            )


def _figures(
    log_p: NDArray[np.floating], part: SliceRows, chosen: NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    """LogMAE, and mean prediction / mean teacher score, of the chosen of a task's N rows."""
    if not chosen.any():
        return None, None
    own: Floats = clip_log_p(log_p[part.rows[chosen], part.task])
    logmae = np.abs(own - part.teacher.log[chosen]).mean()
    return float(logmae), float(np.exp(own).mean() / part.teacher.score[chosen].mean())


def _values(shard: Shard, declarations: Declarations) -> dict[str, NDArray[np.integer]]:
    """For each of the ids that are features of one hashed value, (P,) the value that each candidate of the day has."""
    return {
        feature.name: encoded.categorical[row.numpy(), column]
        for schema, encoded, row in (
            (declarations.query, shard.query, shard.request_row),
            (declarations.item, shard.item, shard.ad_row),
        )
        for column, feature in enumerate(schema.categorical)
        if feature.name in IDS
    }
