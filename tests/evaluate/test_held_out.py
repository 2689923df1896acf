"""Cutting a day into slices and rank buckets: top first, equal counts, stable ties."""

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.errors import LogsError
from mtmd.evaluate.held_out import cut, places, rank_buckets

CONFIG = EvaluationConfig(buckets=5)


def test_every_declared_slice_comes_once_and_octr_never_on_shopping(
    declarations: Declarations, make_day
) -> None:
    slices = [part.slice for part in cut(make_day(200), declarations, CONFIG)]
    assert len(slices) == 15
    assert set(slices) == set(declarations.domains.slices)
    assert not [s for s in slices if s.product == "shopping" and s.task == "octr"]


def test_a_slice_has_the_rows_of_its_domain_that_the_teacher_scored(
    declarations: Declarations, make_day
) -> None:
    day = make_day(300)
    day.teacher[np.flatnonzero(day.domain == 2)[:3], 1] = np.nan
    for part in cut(day, declarations, CONFIG):
        domain = declarations.domains.domains.index(part.slice[:2])
        expected = [
            i for i in range(300) if day.domain[i] == domain and not np.isnan(day.teacher[i, part.task])
        ]
        assert part.rows.tolist() == expected


def test_only_impressed_rows_with_a_known_action_are_observed(declarations: Declarations, make_day) -> None:
    day = make_day(300)
    shown = np.flatnonzero(day.impressed)
    day.labels[shown[:4]] = -1
    for part in cut(day, declarations, CONFIG):
        rows = part.rows[part.observed]
        assert day.impressed[rows].all()
        assert not set(rows) & set(shown[:4])
        assert part.action.tolist() == [day.labels[row, part.task] == 1 for row in rows]


@pytest.mark.parametrize("score", [0.0, 1.0, -0.25, 1.5, np.inf])
def test_a_teacher_score_outside_0_and_1_is_an_error(
    declarations: Declarations, make_day, score: float
) -> None:
    day = make_day(100)
    row = int(np.flatnonzero(day.domain == 5)[0])
    day.teacher[row, 0] = score
    rows = int((day.domain == 5).sum())
    with pytest.raises(LogsError, match=rf"related_pin × shopping × ctr: 1 of {rows} .* such as {score}"):
        list(cut(day, declarations, CONFIG))


def test_places_are_by_request_equal_scores_in_their_order_and_nan_last() -> None:
    request = np.array([3, 3, 3, 3, 7, 9, 9])
    score = np.array([0.1, np.nan, 0.3, 0.1, -5.0, 0.2, 0.4], np.float32)
    assert places(request, score).tolist() == [1, 3, 0, 2, 0, 1, 0]
    assert places(request[:0], score[:0]).tolist() == []


@pytest.mark.parametrize("rows", [10, 11, 19, 103])
def test_buckets_go_by_score_and_differ_by_at_most_one_row(rows: int) -> None:
    scores = np.random.default_rng(rows).uniform(size=rows)
    bucket = rank_buckets(scores, 4)
    counts = np.bincount(bucket, minlength=4)
    assert counts.sum() == rows
    assert counts.max() - counts.min() <= 1
    for b in range(3):
        assert scores[bucket == b].min() >= scores[bucket == b + 1].max()
    assert rank_buckets(np.full(4, 0.5), 2).tolist() == [0, 0, 1, 1]
