"""Cutting a day into slices."""

from dataclasses import replace

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.errors import EvaluationError, LogsError
from mtmd.evaluate.held_out import HeldOutDay, cut


def test_every_declared_slice_comes_once_and_octr_never_on_shopping(
    declarations: Declarations, make_day
) -> None:
    slices = [part.slice for part in cut(make_day(200), declarations, 5)]
    assert len(slices) == 15
    assert set(slices) == set(declarations.domains.slices)
    assert not [s for s in slices if s.product == "shopping" and s.task == "octr"]


def test_a_slice_has_the_rows_of_its_domain_that_the_teacher_scored(
    declarations: Declarations, make_day
) -> None:
    day = make_day(300)
    day.teacher[np.flatnonzero(day.domain == 2)[:3], 1] = np.nan
    for part in cut(day, declarations, 5):
        domain = declarations.domains.domains.index(part.slice[:2])
        expected = [
            i for i in range(300) if day.domain[i] == domain and not np.isnan(day.teacher[i, part.task])
        ]
        assert part.rows.tolist() == expected


def test_only_impressed_rows_with_a_known_action_are_observed(declarations: Declarations, make_day) -> None:
    day = make_day(300)
    shown = np.flatnonzero(day.impressed)
    day.labels[shown[:4]] = -1
    for part in cut(day, declarations, 5):
        rows = part.rows[part.observed]
        assert day.impressed[rows].all()
        assert not set(rows) & set(shown[:4])
        assert part.action.tolist() == [day.labels[row, part.task] == 1 for row in rows]


def test_a_label_without_an_impression_is_not_counted(declarations: Declarations, make_day) -> None:
    day = make_day(100)
    day = replace(day, impressed=np.zeros(100, dtype=bool))
    assert all(len(part.observed) == 0 for part in cut(day, declarations, 5))


@pytest.mark.parametrize("score", [0.0, 1.0, -0.25, 1.5, np.inf])
def test_a_teacher_score_outside_0_and_1_is_an_error(
    declarations: Declarations, make_day, score: float
) -> None:
    day = make_day(100)
    row = int(np.flatnonzero(day.domain == 5)[0])
    day.teacher[row, 0] = score
    rows = int((day.domain == 5).sum())
    with pytest.raises(LogsError, match=rf"related_pin × shopping × ctr: 1 of {rows} .* such as {score}"):
        list(cut(day, declarations, 5))


def test_arrays_that_do_not_fit_are_an_error(declarations: Declarations, make_day) -> None:
    day = make_day(10)
    with pytest.raises(EvaluationError, match=r"labels has shape \(9, 3\); it must be \(10, 3\)"):
        replace(day, labels=day.labels[:9]).check(declarations)
    with pytest.raises(EvaluationError, match=r"teacher has shape \(10, 2\); it must be \(10, 3\)"):
        replace(day, teacher=day.teacher[:, :2]).check(declarations)


def test_a_day_can_be_made_of_no_rows(declarations: Declarations) -> None:
    none = np.empty(0, dtype=np.int64)
    day = HeldOutDay(
        np.empty((0, 3), dtype=np.float32), np.empty((0, 3), dtype=np.int8), none.astype(bool), none, none
    )
    assert [len(part.rows) for part in cut(day, declarations, 5)] == [0] * 15
