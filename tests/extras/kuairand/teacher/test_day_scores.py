"""Which days are scored and which teach, what refuses to be fitted, and scores along a tree of tasks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.errors import LogsError
from mtmd.extras.kuairand.day_scores import DailyScores, daily_scores, lessons, task_qualities
from mtmd.extras.kuairand.rows import TeacherConfig, TeacherInputs, TeachingRows
from tests.extras.kuairand.teacher.logs import read

QUICK = TeacherConfig(hidden=8, width=2, batch_rows=32, members=1, least_rows=40)


def fit(inputs: TeacherInputs, rows: TeachingRows, seed: int = 0, **changes: Any) -> DailyScores:
    return daily_scores(inputs, rows, QUICK.model_copy(update=changes), seed=seed)


def flipped(rows: TeachingRows, where: NDArray[np.bool_]) -> TeachingRows:
    """The same logs, but that of these rows those that were clicked were not, and the other way round."""
    labels = rows.labels.copy()
    labels[where, 0] = ~labels[where, 0]
    labels[where, 1:] = False
    return replace(rows, labels=labels)


def test_a_day_is_scored_once_earlier_days_have_taught_enough_and_small_days_wait() -> None:
    day = np.repeat([7, 8, 9, 10, 12], [2, 1, 3, 1, 4])
    labels = (np.arange(11) % 2 == 0)[:, None]
    known = np.ones_like(labels)
    known[0] = False  # it was not shown
    plan = lessons(TeachingRows(day, labels, known, ("ctr",), (None,)), 2)
    assert [(one.day, one.scored.tolist(), one.taught.tolist()) for one in plan] == [
        (7, [], []),
        (8, [], [1, 2]),
        (9, [3, 4, 5], [3, 4, 5]),
        (10, [6], []),
        (12, [7, 8, 9, 10], [6, 7, 8, 9, 10]),
    ]


def test_scores_of_a_day_depend_on_labels_of_earlier_days_alone_where_histories_stay_as_they_are() -> None:
    inputs, rows = read(5)
    before = fit(inputs, rows).scores
    scored = np.isfinite(before[:, 0])
    first, *others = np.unique(rows.day[scored])
    assert first > rows.day.min()
    for day in (first, *others):
        after = fit(inputs, flipped(rows, (rows.day >= day) & rows.known[:, 0])).scores
        assert np.array_equal(before[rows.day <= day], after[rows.day <= day], equal_nan=True)
        assert day == others[-1] or not np.array_equal(before[rows.day > day], after[rows.day > day])


def test_rows_that_were_not_shown_are_scored_and_teach_nothing() -> None:
    inputs, rows = read(4)
    before, unseen = fit(inputs, rows).scores, ~rows.known[:, 0]
    assert np.array_equal(before, fit(inputs, flipped(rows, unseen)).scores, equal_nan=True)
    newest = unseen & (rows.day == rows.day.max())
    assert (before[newest] > 0).all()
    assert (before[newest, 1:] <= before[newest, :-1]).all()


def test_teachers_learn_who_clicks_and_the_report_says_how_well() -> None:
    inputs, rows = read(16)
    fitted = fit(inputs, rows, hidden=32, learning_rate=3e-2, members=2)
    eager = inputs.codes[:, 0] % 2 == 1  # click 80 % of the time, the others 20 %
    newest = rows.day == rows.day.max()
    assert fitted.scores[newest & eager, 0].mean() > fitted.scores[newest & ~eager, 0].mean() + 0.2
    assert fitted.halves is not None
    scored = np.isfinite(fitted.scores[:, 0])
    lower, upper = np.sort(fitted.halves[:, scored, 0], axis=0)
    assert ((lower <= fitted.scores[scored, 0]) & (fitted.scores[scored, 0] <= upper)).all()
    ctr, *_ = task_qualities(fitted, rows)
    assert (ctr.task, ctr.rows) == ("ctr", (scored & rows.known[:, 0]).sum())
    assert ctr.actions == rows.labels[scored, 0].sum()
    assert ctr.auc is not None
    assert ctr.auc > 0.65
    known = scored & rows.known[:, 0]
    assert ctr.noise == pytest.approx(
        np.abs(np.log(fitted.halves[0] / fitted.halves[1]))[known, 0].mean(), rel=1e-5
    )
    lone = task_qualities(fit(inputs, rows), rows)
    assert [one.noise for one in lone] == [None] * 3


def test_days_that_cannot_teach_are_refused() -> None:
    inputs, rows = read(3)
    with pytest.raises(
        LogsError, match=r"before 2026-01-03, .* have \d\d rows that teach; a teacher needs 500"
    ):
        fit(inputs, rows, least_rows=500)
    rows.labels[rows.day < rows.day.max(), 2] = False
    with pytest.raises(LogsError, match=r"task 'kept' has 0 true labels of \d+, and needs both outcomes"):
        fit(inputs, rows)
