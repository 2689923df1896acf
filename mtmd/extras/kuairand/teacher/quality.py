"""How well a teacher's scores rank and predict what users did, task by task."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import rankdata

from mtmd.config import Frozen
from mtmd.extras.kuairand.teacher.cross_fit import NEWEST, TeacherScores
from mtmd.extras.kuairand.teacher.rows import Bools, TeachingRows

_EPOCH = date(1970, 1, 1)


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
            _EPOCH + timedelta(days=day) for day in np.unique(rows.day[newest]).astype(int).tolist()
        ),
        tasks=tuple(
            _quality(task, part, fitted.scores[where, t], rows.labels[where, t])
            for task, part, where, t in parts
        ),
    )


def ranking_auc(scores: NDArray[np.floating], labels: Bools) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds of rows."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    return float((rankdata(scores)[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _quality(task: str, newest: bool, scores: NDArray[np.float32], action: Bools) -> TaskQuality:
    actions, score = int(action.sum()), scores.astype(np.float64)
    return TaskQuality(
        task=task,
        newest=newest,
        rows=len(score),
        actions=actions,
        auc=ranking_auc(score, action),
        calibration=float(score.mean() / action.mean()) if actions else None,
    )
