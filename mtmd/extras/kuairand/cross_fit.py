"""Scores every row with teachers that never saw it.

The cross-fit: let L be the newest day. The days up to L − 2 are split into contiguous blocks of about equal rows. A
block is scored by teachers fitted on the other blocks; L − 1 and L by teachers fitted on all blocks, so on earlier days
only. Each score is the mean logit of members that differ in their seed alone: on KuaiRand two lone members differ by 5
to 15 % in LogMAE terms, noise that no student can learn.

What still crosses over, on purpose: a later row's *history counts* hold an earlier row's action, as they would live;
and the number of epochs is found once, on the newest block that teaches with a teacher of the older ones, and used for
all. There is no rescaling afterwards: fitted on the scores of other blocks it would depend on the row through their
teachers, and on KuaiRand the mean scores are within 6 % of the mean actions without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.evaluate.metrics import area
from mtmd.extras.kuairand.rows import EPOCH, Bools, Floats, Ints, TeacherConfig, TeacherInputs, TeachingRows
from mtmd.extras.kuairand.teacher import TeacherFits

NEWEST = -1
_NEWEST_DAYS = 2
_LOGIT_LIMIT = 13.0  # 2e-6 from 0 and 1: a float32 score is then strictly inside


@dataclass(frozen=True)
class TeacherScores:
    """scores (N, T) float32 in (0, 1), no child above its parent; block (N,), NEWEST for the last two days."""

    scores: NDArray[np.float32]
    block: Ints
    epochs: int
    members: int


def cross_fit(
    inputs: TeacherInputs,
    rows: TeachingRows,
    config: TeacherConfig,
    *,
    seed: int,
    on_progress: Callable[[str], None] = lambda _: None,
) -> TeacherScores:
    """Score all N rows; the same inputs and seed give the same scores on one machine and thread count.

    Rows that teach no task are scored like all others. Raises LogsError when there are fewer than four days, or when
    the rows of a fit have not both outcomes of a task.
    """
    block = day_blocks(rows.day, config.blocks)
    last = int(block.max())
    teaches = rows.teaches.any(axis=1)
    older = teaches & (block != NEWEST)
    for held in (*range(last + 1), NEWEST):
        _require_outcomes(rows, (block != NEWEST) & (block != held), _name(held, last))
    fits, newest = TeacherFits(inputs, rows, config), int(block[older].max())
    probe, held_out = (np.flatnonzero(older & part) for part in (block < newest, block == newest))
    epochs = fits.best_epochs(probe, held_out, seed)
    on_progress(f"teacher: {epochs} epochs are best on {_name(newest, last)}, the newest that teaches")
    members = config.members_for(int(teaches.sum()))
    scores = np.empty(rows.labels.shape, np.float32)
    for held in (*range(last + 1), NEWEST):
        scored, taught = np.flatnonzero(block == held), np.flatnonzero(older & (block != held))
        logits = fits.mean_logits(taught, scored, epochs, range(seed + 1, seed + 1 + members))
        scores[scored] = _probabilities(logits, rows.parents)
        on_progress(
            f"teacher: {_name(held, last)}: {len(scored)} rows by {members} teachers of {len(taught)} other rows"
        )
    return TeacherScores(scores, block, epochs, members)


def _name(held: int, last: int) -> str:
    return "the last two days" if held == NEWEST else f"day block {held + 1} of {last + 1}"


def _require_outcomes(rows: TeachingRows, taught: NDArray[np.bool_], name: str) -> None:
    """Raise LogsError for a task that a block's teachers could not learn."""
    for t, task in enumerate(rows.tasks):
        labels = rows.labels[taught & rows.teaches[:, t], t]
        if (count := int(labels.sum())) in {0, len(labels)}:
            raise LogsError(
                f"task {task!r}: the rows that may teach who scores {name} have {count} true labels of "
                f"{len(labels)}; a teacher needs both outcomes: use more days, or leave the task out"
            )


def day_blocks(day: Ints, blocks: int) -> Ints:
    """(N,) block of each row: 0, 1, … oldest first and none empty; NEWEST for the last two days.

    Raises LogsError when the days before those two do not make at least two blocks.
    """
    days, counts = np.unique(day, return_counts=True)
    older = counts[:-_NEWEST_DAYS]
    if len(older) < 2:
        raise LogsError(
            f"the logs cover {len(days)} days; a cross-fitted teacher needs at least {_NEWEST_DAYS + 2}: "
            "bring more days"
        )
    middle = np.cumsum(older) - older / 2
    wanted = (middle / older.sum() * blocks).astype(np.int64)
    wanted[-1] = max(wanted[-1], wanted[0] + 1)  # one huge day must not swallow all others
    _, dense = np.unique(wanted, return_inverse=True)
    of_day = np.concatenate([dense, np.full(_NEWEST_DAYS, NEWEST)])
    return np.asarray(of_day[np.searchsorted(days, day)])


def _probabilities(logits: Floats, parents: tuple[int | None, ...]) -> NDArray[np.float32]:
    """(N, T) unconditional scores: a child is its conditional times its parent, hence never above it."""
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    for task, parent in enumerate(parents):
        if parent is not None:
            scores[:, task] *= scores[:, parent]
    return np.asarray(scores.astype(np.float32))


class TaskQuality(Frozen):
    """Scores of one task against what users did, in one part of the days; a number is None where it can't be told."""

    task: str
    newest: bool = Field(
        description="the last two days, by teachers of earlier days; or else the cross-fitted days"
    )
    rows: int = Field(description="shown ads with a label")
    actions: int
    auc: float | None
    calibration: float | None = Field(description="mean score / mean action")


class TeacherReport(Frozen):
    """How a teacher was fitted, and how it predicts actions that it never saw."""

    members: int = Field(description="teachers in each score")
    epochs: int
    blocks: int = Field(description="day blocks of the cross-fit")
    newest_days: tuple[date, ...] = Field(description="scored by teachers of earlier days only")
    tasks: tuple[TaskQuality, ...]


def teacher_report(fitted: TeacherScores, rows: TeachingRows) -> TeacherReport:
    """The report of a fit on these rows."""
    newest = fitted.block == NEWEST
    parts = [
        (task, part, rows.known[:, t] & (newest == part), t)
        for t, task in enumerate(rows.tasks)
        for part in (False, True)
    ]
    return TeacherReport(
        members=fitted.members,
        epochs=fitted.epochs,
        blocks=int(fitted.block.max()) + 1,
        newest_days=tuple(
            EPOCH + timedelta(days=day) for day in np.unique(rows.day[newest]).astype(int).tolist()
        ),
        tasks=tuple(
            _quality(task, part, fitted.scores[where, t], rows.labels[where, t])
            for task, part, where, t in parts
        ),
    )


def _quality(task: str, newest: bool, scores: NDArray[np.float32], action: Bools) -> TaskQuality:
    actions, score = int(action.sum()), scores.astype(np.float64)
    return TaskQuality(
        task=task,
        newest=newest,
        rows=len(score),
        actions=actions,
        auc=area(score, action),
        calibration=float(score.mean() / action.mean()) if actions else None,
    )
