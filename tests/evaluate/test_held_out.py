"""Cutting a day into slices and rank buckets: top first, equal counts, stable ties."""

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.errors import LogsError
from mtmd.evaluate.held_out import cut, places, rank_buckets

CONFIG = EvaluationConfig(buckets=5)


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


def test_equal_scores_are_shared_out_among_the_buckets_in_their_order() -> None:
    assert rank_buckets(np.full(4, 0.5), 2).tolist() == [0, 0, 1, 1]
