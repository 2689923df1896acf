"""Blocks of days, what refuses to be fitted, and scores along a tree of tasks."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.errors import LogsError
from mtmd.extras.kuairand.cross_fit import NEWEST, TeacherScores, cross_fit, day_blocks
from mtmd.extras.kuairand.log_rows import LogRows
from mtmd.extras.kuairand.rows import TeacherConfig, TeacherInputs, TeachingRows
from mtmd.extras.kuairand.teacher import TeacherFits
from tests.extras.kuairand.teacher.logs import DECLARATIONS, FIRST, random_day, read

QUICK = TeacherConfig(hidden=8, width=2, batch_rows=32, members=1, least_members=1, max_epochs=1)


def test_blocks_are_contiguous_and_the_last_two_days_stand_apart() -> None:
    day = np.repeat(np.arange(100, 108), [1, 1, 8, 10, 10, 10, 9, 9])
    blocks = day_blocks(day, 4)
    by_day = [int(blocks[day == d][0]) for d in range(100, 108)]
    assert by_day == [0, 0, 0, 1, 2, 3, NEWEST, NEWEST]


def test_too_few_days_are_an_error() -> None:
    with pytest.raises(LogsError, match=r"cover 3 days; .* at least 4"):
        day_blocks(np.array([1, 2, 3]), 5)


def fit(inputs: TeacherInputs, rows: TeachingRows, seed: int = 0, **changes: Any) -> TeacherScores:
    return cross_fit(inputs, rows, QUICK.model_copy(update=changes), seed=seed)


def flipped(rows: TeachingRows, where: NDArray[np.bool_]) -> TeachingRows:
    """The same logs, but that of these rows those that were clicked were not, and the other way round."""
    labels = rows.labels.copy()
    labels[where, 0] = ~labels[where, 0]
    labels[where, 1:] = False
    return replace(rows, labels=labels)


def test_no_score_of_a_block_depends_on_its_labels_where_histories_stay_as_they_are() -> None:
    inputs, rows = read(6)
    before = fit(inputs, rows)
    for held in (*range(int(before.block.max()) + 1), NEWEST):
        same = before.block == held
        after = fit(inputs, flipped(rows, same & rows.known[:, 0]))
        assert np.array_equal(before.scores[same], after.scores[same])
        assert held == NEWEST or not np.array_equal(before.scores[~same], after.scores[~same])


def test_inputs_know_the_labels_of_earlier_days_alone() -> None:
    days = [(FIRST + timedelta(days=n), random_day(FIRST + timedelta(days=n))) for n in range(4)]

    def past(changed: int | None) -> NDArray[np.float32]:
        rows = LogRows(DECLARATIONS)
        for n, (day, tables) in enumerate(days):
            rows.add(day, tables)
            if n == changed:
                outcomes = rows._outcomes[-1]
                rows._outcomes[-1] = (*outcomes[:3], ~outcomes[3] & outcomes[2])
        return rows.inputs(rows.teaching()).past

    before, after = past(None), past(2)
    stop = sum(tables["candidates"].num_rows for _, tables in days[:3])
    assert np.array_equal(before[:stop], after[:stop])
    assert not np.array_equal(before[stop:], after[stop:])


def test_rows_that_were_not_shown_are_scored_and_teach_nothing() -> None:
    inputs, rows = read(6)
    before, shown = fit(inputs, rows), rows.known[:, 0]
    assert np.array_equal(before.scores, fit(inputs, flipped(rows, ~shown)).scores)
    assert before.scores[~shown].min() > 0


def test_a_teacher_learns_who_clicks() -> None:
    inputs, rows = read(6)
    scores = fit(inputs, rows, hidden=32, max_epochs=4, learning_rate=1e-2).scores[:, 0]
    eager = inputs.codes[:, 0] % 2 == 1  # click 80 % of the time, the others 20 %
    assert scores[eager].mean() > scores[~eager].mean() + 0.2


def test_a_task_without_both_outcomes_is_refused() -> None:
    inputs, rows = read(5)
    rows.labels[rows.day > rows.day.min(), 2] = False
    with pytest.raises(
        LogsError, match=r"task 'kept': .* who scores day block 1 of 3 have 0 true labels of \d+"
    ):
        fit(inputs, rows)


def test_epochs_are_found_on_the_newest_block_whose_labels_are_known() -> None:
    """No row of the newest block was shown."""
    inputs, rows = read(8)
    block, said = day_blocks(rows.day, QUICK.blocks), list[str]()
    config = QUICK.model_copy(update={"max_epochs": 5, "learning_rate": 3e-2})
    newest = block.max() - 1
    rows = replace(rows, known=rows.known & (block <= newest)[:, None])
    scores = cross_fit(inputs, rows, config, seed=0, on_progress=said.append)
    teaches = rows.teaches.any(axis=1) & (block != NEWEST)
    probe, held = (np.flatnonzero(teaches & where) for where in (block < newest, block == newest))
    assert scores.epochs == TeacherFits(inputs, rows, config).best_epochs(probe, held, 0)
    assert said[0] == f"teacher: {scores.epochs} epochs are best on day block 4 of 5, the newest that teaches"
