"""Errors of each predictor on groups of the held-out day's rows, and on the other rows of the same task.

A row is new in an id where no candidate of the window had its value: nothing was learned of such a value but what all
new values have in common. A value counts as its hash, as models read it.

P candidates of the day.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Declarations, Frozen
from mtmd.evaluate.bootstrap import Predictions
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import Floats, clip_log_p, impression_values
from mtmd.extract.shards import Days, Shard, open_shard
from mtmd.run import RunPlan
from mtmd.store.files import write_json

FORMAT = 1  # raise it whenever the same predictions of the same rows would give other numbers
GROUPS = "groups.json"
IDS = ("user_id", "ad_id")  # features whose new values are told apart


class GroupMetrics(Frozen):
    """A task's rows of one group, over all of its slices. Each number by predictor; None without rows."""

    group: str = Field(description="such as `new ad_id`, or `not new ad_id`")
    task: str
    rows: int = Field(description="candidate rows of the group that the task can learn from")
    logmae: dict[str, float | None] = Field(
        {}, description="mean |ln p̂ − ln teacher|; empty for a task that learns from actions"
    )
    log_loss: dict[str, float | None] = Field(
        {}, exclude_if=lambda found: not found, description="of a task that learns from actions, on shown ads"
    )
    calibration: dict[str, float | None] = Field(description="mean p̂ / mean teacher, or rate of actions")


def write(plan: RunPlan, days: Days, day: HeldOutDay, predictions: Predictions, directory: Path) -> None:
    """Write the groups' metrics beside the day's evaluation."""
    declarations = plan.preset.declarations
    window = (open_shard(Path(ref.path)) for ref in days.window)
    groups = row_groups(open_shard(Path(days.held_out.path)), window, declarations)
    found = [one.model_dump(mode="json") for one in group_metrics(groups, declarations, day, predictions)]
    write_json(directory / GROUPS, found)


def row_groups(
    shard: Shard, window: Iterable[Shard], declarations: Declarations
) -> dict[str, NDArray[np.bool_]]:
    """`new user_id` and `new ad_id` → which of the day's P candidates; a missing value is not new."""
    found = _ids(shard, declarations)
    seen = {name: {0} for name in found}
    for earlier in window:
        for name, values in _ids(earlier, declarations).items():
            seen[name].update(np.unique(values).tolist())
    return {f"new {name}": ~np.isin(values, list(seen[name])) for name, values in found.items()}


def _ids(shard: Shard, declarations: Declarations) -> dict[str, NDArray[np.integer]]:
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


def group_metrics(
    groups: Mapping[str, NDArray[np.bool_]],
    declarations: Declarations,
    day: HeldOutDay,
    predictions: Predictions,
) -> Iterator[GroupMetrics]:
    """Error and calibration of each predictor on the rows of each group and task, then on the task's other rows."""
    scored = declarations.domains.task_mask[day.domain] & ~np.isnan(day.teacher)  # (P, T)
    for group, inside in groups.items():
        for task, declared in enumerate(declarations.domains.tasks):
            error = "log_loss" if declared.from_actions else "logmae"
            for called, chosen in ((group, inside), (f"not {group}", ~inside)):
                rows = np.flatnonzero(chosen & scored[:, task])
                found = {
                    predictor: _figures(error, log_p[rows, task], day.teacher[rows, task])
                    for predictor, log_p in predictions.items()
                }
                yield GroupMetrics(
                    group=called,
                    task=declared.name,
                    rows=len(rows),
                    calibration={predictor: level for predictor, (_, level) in found.items()},
                    **{error: {predictor: value for predictor, (value, _) in found.items()}},
                )


def _figures(
    error: str, log_p: NDArray[np.floating], teacher: NDArray[np.floating]
) -> tuple[float | None, float | None]:
    """The error, and mean prediction / mean teacher score or rate of actions, of some rows."""
    if not len(log_p):
        return None, None
    own: Floats = clip_log_p(log_p)
    score = teacher.astype(np.float64)
    level = float(np.exp(own).mean() / score.mean()) if score.any() else None
    if error == "logmae":
        return float(np.abs(own - np.log(score)).mean()), level
    return float(impression_values(own, score > 0.0)["log_loss"].mean()), level
