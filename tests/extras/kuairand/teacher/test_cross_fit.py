"""Blocks of days, what refuses to be fitted, and scores along a tree of tasks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.errors import LogsError
from mtmd.extras.kuairand.teacher.cross_fit import NEWEST, TeacherScores, cross_fit, day_blocks
from mtmd.extras.kuairand.teacher.fits import TeacherFits
from mtmd.extras.kuairand.teacher.log_inputs import log_inputs
from mtmd.extras.kuairand.teacher.log_rows import LogRows
from mtmd.extras.kuairand.teacher.rows import TeacherConfig
from tests.extras.kuairand.teacher.logs import DECLARATIONS, read

QUICK = TeacherConfig(hidden=8, width=2, batch_rows=32, members=1, least_members=1, max_epochs=1)


def test_blocks_are_contiguous_and_the_last_two_days_stand_apart() -> None:
    day = np.repeat(np.arange(100, 108), [1, 1, 8, 10, 10, 10, 9, 9])
    blocks = day_blocks(day, 4)
    by_day = [int(blocks[day == d][0]) for d in range(100, 108)]
    assert by_day == [0, 0, 0, 1, 2, 3, NEWEST, NEWEST]


def test_too_few_days_are_an_error() -> None:
    with pytest.raises(LogsError, match=r"cover 3 days; .* at least 4"):
        day_blocks(np.array([1, 2, 3]), 5)


def fit(rows: LogRows, seed: int = 0, **changes: Any) -> TeacherScores:
    inputs = log_inputs(replace(rows, static=rows.static.copy()), DECLARATIONS)
    return cross_fit(
        inputs, rows.teaching, QUICK.model_copy(update=changes), seed=seed, on_progress=lambda _: None
    )


def flipped(rows: LogRows, where: NDArray[np.bool_]) -> LogRows:
    """The same logs, but that of these rows those that were clicked were not, and the other way round."""
    labels = rows.teaching.labels.copy()
    labels[where, 0] = ~labels[where, 0]
    labels[where, 1:] = False
    teaches = rows.known & np.stack([rows.known[:, 0], labels[:, 0], labels[:, 1]], axis=1)
    return replace(rows, teaching=replace(rows.teaching, labels=labels, teaches=teaches))


def test_labels_of_a_day_change_scores_of_later_days_alone_where_they_do_not_teach() -> None:
    rows = read(6)
    day, before = rows.teaching.day, fit(rows)
    last = day == day.max()
    # its block is scored by teachers of older days
    after = fit(flipped(rows, (day == day.max() - 1) & rows.shown))
    assert np.array_equal(before.scores[~last], after.scores[~last])
    assert not np.array_equal(before.scores[last], after.scores[last])
    assert np.array_equal(before.scores, fit(flipped(rows, last & rows.shown)).scores)


def test_no_score_of_a_block_depends_on_its_labels_where_histories_stay_as_they_are() -> None:
    rows = read(6)
    inputs = log_inputs(replace(rows, static=rows.static.copy()), DECLARATIONS)
    before = cross_fit(inputs, rows.teaching, QUICK, seed=0, on_progress=lambda _: None)
    for held in (*range(int(before.block.max()) + 1), NEWEST):
        same = before.block == held
        other = flipped(rows, same & rows.shown)
        after = cross_fit(inputs, other.teaching, QUICK, seed=0, on_progress=lambda _: None)
        assert np.array_equal(before.scores[same], after.scores[same])
        assert held == NEWEST or not np.array_equal(before.scores[~same], after.scores[~same])


def test_rows_that_were_not_shown_are_scored_and_teach_nothing() -> None:
    rows = read(6)
    before = fit(rows)
    hidden = flipped(rows, ~rows.shown)
    after = fit(replace(hidden, teaching=replace(hidden.teaching, teaches=rows.teaching.teaches)))
    assert np.array_equal(before.scores, after.scores)
    assert before.scores[~rows.shown].min() > 0


def test_a_teacher_learns_who_clicks() -> None:
    rows = read(6)
    scores = fit(rows, hidden=32, max_epochs=4, learning_rate=1e-2).scores[:, 0]
    eager = rows.codes["user"] % 2 == 1  # click 80 % of the time, the others 20 %
    assert scores[eager].mean() > scores[~eager].mean() + 0.2


def test_a_task_without_both_outcomes_is_refused() -> None:
    rows = read(5)
    rows.teaching.labels[rows.teaching.day > rows.teaching.day.min(), 2] = False
    with pytest.raises(
        LogsError, match=r"task 'kept': .* who scores day block 1 of 3 have 0 true labels of \d+"
    ):
        fit(rows)


def test_epochs_are_found_on_the_newest_block_whose_labels_are_known() -> None:
    """Labels of the last days are not final yet: no row of the newest block teaches."""
    rows = read(8)
    inputs = log_inputs(replace(rows, static=rows.static.copy()), DECLARATIONS)
    block, said = day_blocks(rows.teaching.day, QUICK.blocks), list[str]()
    config = QUICK.model_copy(update={"max_epochs": 5, "learning_rate": 3e-2})
    known = (block != block.max()) & (block != NEWEST)
    late = replace(rows.teaching, teaches=rows.teaching.teaches & known[:, None])
    scores = cross_fit(inputs, late, config, seed=0, on_progress=said.append)
    newest = block.max() - 1
    teaches = late.teaches.any(axis=1)
    probe, held = (np.flatnonzero(teaches & where) for where in (block < newest, block == newest))
    assert scores.epochs == TeacherFits(inputs, late, config).best_epochs(probe, held, 0) > 1
    assert said[0] == f"teacher: {scores.epochs} epochs are best on day block 4 of 5, the newest that teaches"
