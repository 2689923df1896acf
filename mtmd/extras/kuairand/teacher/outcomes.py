"""What users did with a day's candidates, task by task, and which of it may teach."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtmd.config import Domains
from mtmd.errors import ConfigError, LogsError
from mtmd.extras.kuairand.teacher.rows import Bools, Ints


@dataclass(frozen=True)
class DayOutcomes:
    """N candidates of one day and T tasks.

    shown (N,); exists (N, T): whether the product has the task; labels (N, T): whether it happened, false where unknown
    """

    shown: Bools
    exists: Bools
    labels: Bools


def task_parents(domains: Domains) -> tuple[int | None, ...]:
    """Index of each task's parent, also where modelling is not constrained: scores must follow the tree anyway."""
    names = domains.task_names
    return tuple(None if task.parent is None else names.index(task.parent) for task in domains.tasks)


def task_lags(domains: Domains, maturity: Mapping[str, int]) -> Ints:
    """(T,) days after which each task's labels are final: its own or its parent's, whichever are more.

    `maturity` has tasks whose labels are not final at once. Raises ConfigError for an unknown task and negative days.
    """
    for task, days in maturity.items():
        if task not in domains.task_names or days < 0:
            raise ConfigError(
                f"maturity {task}={days} must be a task of {list(domains.task_names)} and at least 0 days, such as "
                f"{domains.task_names[-1]}=7"
            )
    lags: list[int] = []
    for task, parent in zip(domains.task_names, task_parents(domains), strict=True):
        lags.append(max(maturity.get(task, 0), 0 if parent is None else lags[parent]))
    return np.array(lags, np.int64)


def day_outcomes(candidates: pa.Table, product: Ints, domains: Domains, day: date) -> DayOutcomes:
    """The labels of a day's candidates, which have products (N,), indices in `domains`.

    Raises LogsError where a label contradicts the contract: no shown row, a null label, a child without its parent.
    """
    shown = _booleans(candidates["impressed"])
    if not shown.any():
        raise LogsError(
            f"candidates of {day}: none of {len(shown)} rows is impressed; a teacher learns from shown ads: correct "
            "the day's files, or leave the day out ([left_out] in the preset)"
        )
    has_task = np.array(
        [[domains.has_task(name, task) for task in domains.tasks] for name in domains.products]
    )
    exists = has_task[product]  # (N, T)
    labels = np.stack([_booleans(candidates[task.label]) for task in domains.tasks], axis=1)
    labels &= exists & shown[:, None]
    for t, (task, parent) in enumerate(zip(domains.tasks, task_parents(domains), strict=True)):
        unknown = pc.is_null(candidates[task.label]).to_numpy() & shown & exists[:, t]
        _refuse(unknown, day, task.label, "null though the ad was shown", candidates)
        if parent is not None:
            orphans = labels[:, t] & ~labels[:, parent]
            what = f"true though {domains.tasks[parent].label}, its parent's label, is not"
            _refuse(orphans, day, task.label, what, candidates)
    return DayOutcomes(shown, exists, labels)


def _booleans(column: pa.ChunkedArray) -> Bools:
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)


def _refuse(rows: Bools, day: date, label: str, what: str, candidates: pa.Table) -> None:
    if rows.any():
        first = candidates.slice(int(np.argmax(rows)), 1)
        key = ", ".join(f"{name} {first[name][0].as_py()}" for name in ("request_id", "ad_id"))
        raise LogsError(
            f"candidates of {day}: {label} is {what} in {int(rows.sum())} rows, such as {key}; correct the labels"
        )
