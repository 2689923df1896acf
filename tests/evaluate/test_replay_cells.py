"""Cuts of single requests, worked out by hand; a random cut against all draws that there are."""

from itertools import combinations

import numpy as np
import pytest

from mtmd.config import Slice
from mtmd.evaluate.replay_cells import CellSums, Choice, chance_to_be_taken

SCORE = np.array([0.4, 0.3, 0.2, 0.1])  # of the heavyweight ranker, for A, B, C and D
BID = np.array([1.0, 2.0, 1.0, 10.0])
ONE = np.zeros(4, np.int64)  # all of one request


def of_scores(top: int = 2) -> Choice:
    return Choice.of(ONE, SCORE, SCORE, BID * SCORE, top)


def test_of_what_is_kept_the_heavyweight_ranker_takes_its_best() -> None:
    """A, C, D, B: of two A and C are taken, and of three again. D, A, B, C: D and A, then A and B."""
    misses_b = of_scores().taken(np.array([4.0, 1.0, 3.0, 2.0]), (2, 3), 2)
    np.testing.assert_allclose(misses_b, [[[1, 0.6, 0.6], [1, 0.6, 0.6]]])
    likes_d = of_scores().taken(np.array([3.0, 2.0, 1.0, 4.0]), (2, 3), 2)
    np.testing.assert_allclose(likes_d, [[[1, 0.5, 1.4], [2, 0.7, 1.0]]])  # D is worth more than B


def test_a_random_cut_is_the_mean_over_all_draws() -> None:
    """Two of four: half of the top, and of any two 0.5 clicks. Three: without A 0.5, without B 0.6, else 0.7."""
    found = of_scores().at_random((2, 3, 4), 2)
    np.testing.assert_allclose(found[0, :, :2], [[1.0, 0.5], [1.5, 0.625], [2.0, 0.7]])


@pytest.mark.parametrize(("size", "kept", "top"), [(7, 3, 1), (7, 4, 3), (6, 2, 2), (5, 5, 2), (2, 3, 3)])
def test_chances_are_those_of_counting(size: int, kept: int, top: int) -> None:
    place = np.arange(size)
    draws = list(combinations(range(size), min(kept, size)))
    expected = [sum(i in draw[:top] for draw in draws) / len(draws) for i in range(size)]
    np.testing.assert_allclose(
        chance_to_be_taken(place, np.full(size, size), kept, top), expected, atol=1e-12
    )


def test_ties_at_the_edge_of_the_top_cost_no_recall_and_no_action() -> None:
    """Three tie for two places; the heavyweight ranker takes the more valuable of them, C and then A."""
    score, bid = np.array([0.3, 0.3, 0.3, 0.1]), np.array([1.0, 1.0, 5.0, 1.0])
    tied = Choice.of(ONE, score, score, bid * score, 2)
    np.testing.assert_allclose(tied.whole(2), [[2, 0.6, 1.8]])
    np.testing.assert_allclose(tied.taken(np.array([2.0, 3.0, 0.0, 1.0]), (2,), 2), [[[2, 0.6, 0.6]]])


def test_a_predictor_that_can_not_tell_keeps_in_the_order_of_the_day() -> None:
    """And not in the heavyweight ranker's, which would be right by accident."""
    worst_first = Choice.of(ONE, SCORE[::-1].copy(), SCORE[::-1].copy(), SCORE[::-1].copy(), 1)
    np.testing.assert_allclose(worst_first.taken(np.zeros(4), (1, 2, 4), 1)[0, :, 1], [0.1, 0.2, 0.4])


def test_requests_without_a_choice_are_left_out_and_counted() -> None:
    request = np.array([3, 5, 5, 8, 9, 9, 9])
    score = np.array([0.9, 0.1, 0.2, 0.9, 0.3, 0.2, 0.1])
    choice = Choice.of(request, score, score, score, 1)
    assert (choice.requests.tolist(), choice.alone, choice.rows.tolist()) == ([5, 9], 2, [1, 2, 4, 5, 6])
    sums = CellSums.of(Slice("s", "p", "t"), choice, [score], (1, 2), 1)
    assert (sums.cell.requests, sums.cell.cut, sums.cell.candidates) == (2, (2, 1), 5)
    assert sums.taken.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(sums.whole[:, 1], [0.2, 0.3])
    np.testing.assert_allclose(sums.taken[:, 1, 0, 1], [0.15, 0.2])  # one at random
    alone = CellSums.of(
        Slice("s", "p", "t"), Choice.of(np.array([3, 8]), *[np.ones(2)] * 3, 1), [np.ones(2)], (1,), 1
    )
    assert (alone.cell.requests, alone.cell.alone, alone.cell.cut) == (0, 2, (0,))
    assert (len(alone.requests), alone.taken.shape) == (0, (0, 2, 1, 3))
