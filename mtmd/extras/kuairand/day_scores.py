"""Scores each day by teachers of earlier days, as a heavyweight ranker in production would.

Days are taken in order. A teacher scores a day's rows, and then learns from them; it is never fitted anew. So the
teacher of every day is of one kind, and a window's scores know nothing of the day that is held out. A score is the
mean logit of members that differ in their seed alone: what two lone members differ by is noise that no student can
learn. The first days only teach, because nobody could score them.

There is no rescaling afterwards: on KuaiRand the mean scores of a day are within 4 % of its clicks without it.
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
from mtmd.extras.kuairand.rows import EPOCH, Floats, TeacherConfig, TeacherInputs, TeachingRows
from mtmd.extras.kuairand.teacher import Lesson, day_logits

_LOGIT_LIMIT = 13.0  # 2e-6 from 0 and 1: a float32 score is then strictly inside


@dataclass(frozen=True)
class DailyScores:
    """scores (N, T) float32 in (0, 1), no child above its parent; NaN on the days that only teach.

    halves  (2, N, T) the same by each half of the members; None where there is one member
    """

    scores: NDArray[np.float32]
    halves: NDArray[np.float32] | None


def daily_scores(
    inputs: TeacherInputs,
    rows: TeachingRows,
    config: TeacherConfig,
    *,
    seed: int,
    on_progress: Callable[[str], None] = lambda _: None,
) -> DailyScores:
    """Score all rows but those of the first days; the same inputs and seed give the same scores on one machine.

    Rows that teach no task are scored like all others. Raises LogsError where no day can be scored.
    """
    plan = lessons(rows, config.least_rows)
    halves = np.full((2, *rows.labels.shape), np.nan)
    halves[:, np.concatenate([lesson.scored for lesson in plan])] = 0.0
    first = next(lesson.day for lesson in plan if len(lesson.scored))
    for member in range(config.members):
        for scored, logits in day_logits(inputs, rows, plan, config, seed + member):
            halves[member % 2, scored] += logits
        on_progress(f"teacher {member + 1} of {config.members} has scored the days from {_date(first)} on")
    team = _probabilities(halves.sum(0) / config.members, rows.parents)
    if config.members == 1:
        return DailyScores(team, None)
    sizes = (config.members + 1) // 2, config.members // 2
    parts = [_probabilities(half / size, rows.parents) for half, size in zip(halves, sizes, strict=True)]
    return DailyScores(team, np.stack(parts))


def lessons(rows: TeachingRows, least: int) -> list[Lesson]:
    """What is scored and taught day by day.

    A day is scored once teachers have learned from `least` rows, with both outcomes of each task. Days with few rows
    wait, and teach together with the days after them. Raises LogsError when no day can be scored.
    """
    plan: list[Lesson] = []
    teaches = np.asarray(rows.teaches.any(axis=1))
    nobody = waiting = np.empty(0, np.int64)
    ready = False
    for day in np.unique(rows.day).tolist():
        scored = np.flatnonzero(rows.day == day)
        waiting = np.concatenate([waiting, scored[teaches[scored]]])
        scores = ready
        taught = nobody
        if len(waiting) >= least and (ready or _lacking(rows, waiting) is None):
            taught, waiting, ready = waiting, nobody, True
        plan.append(Lesson(day, scored if scores else nobody, taught))
    if not any(len(lesson.scored) for lesson in plan):
        before = np.flatnonzero(teaches & (rows.day < rows.day.max()))
        lacking = _lacking(rows, before) or f"a teacher needs {least}"
        raise LogsError(
            f"the days before {_date(plan[-1].day)}, the newest, have {len(before)} rows that teach; {lacking}: bring "
            "more days, or leave tasks out"
        )
    return plan


def _lacking(rows: TeachingRows, taught: NDArray[np.int64]) -> str | None:
    """The first task that these rows do not teach, and why; None where they teach all."""
    for t, task in enumerate(rows.tasks):
        teaches = rows.teaches[:, t]
        labels = rows.labels[:, t][taught[teaches[taught]]]
        if (count := int(labels.sum())) in {0, len(labels)}:
            return f"task {task!r} has {count} true labels of {len(labels)}, and needs both outcomes"
    return None


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)


def _probabilities(logits: Floats, parents: tuple[int | None, ...]) -> NDArray[np.float32]:
    """(N, T) unconditional scores: a child is its conditional times its parent, hence never above it."""
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    for task, parent in enumerate(parents):
        if parent is not None:
            scores[:, task] *= scores[:, parent]
    return np.asarray(scores.astype(np.float32))


class TaskQuality(Frozen):
    """Scores of one task against what users did; a number is None where it can't be told."""

    task: str
    rows: int = Field(description="scored ads with a label")
    actions: int
    auc: float | None
    calibration: float | None = Field(description="mean score / mean action")
    noise: float | None = Field(
        description="LogMAE between the two halves of the members: about twice the noise of a score"
    )


def task_qualities(fitted: DailyScores, rows: TeachingRows) -> tuple[TaskQuality, ...]:
    """How the scores predict actions that their teachers had not seen."""
    found = []
    for t, task in enumerate(rows.tasks):
        where = rows.known[:, t] & np.isfinite(fitted.scores[:, t])
        score, action = fitted.scores[where, t].astype(np.float64), rows.labels[where, t]
        actions, noise = int(action.sum()), None
        if fitted.halves is not None and len(score):
            noise = float(np.abs(np.diff(np.log(fitted.halves[:, where, t]), axis=0)).mean())
        found.append(
            TaskQuality(
                task=task,
                rows=len(score),
                actions=actions,
                auc=area(score, action),
                calibration=float(score.mean() / action.mean()) if actions else None,
                noise=noise,
            )
        )
    return tuple(found)
