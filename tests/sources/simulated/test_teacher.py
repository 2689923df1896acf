"""The teacher is calibrated, noisy, noisier where it has seen little, and never out of bounds."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.sources.simulated.conftest import Simulated

TASKS = ("ctr", "gctr", "octr")


@pytest.mark.parametrize("task", range(3))
def test_mean_truth_among_rows_of_a_score_is_that_score(simulated: "Simulated", task: int) -> None:
    teacher, truth = simulated.truth("teacher")[:, task], simulated.truth("probability")[:, task]
    applies = ~np.isnan(teacher)
    order = np.argsort(teacher[applies])
    for rows in np.array_split(order, 10):
        assert truth[applies][rows].mean() == pytest.approx(teacher[applies][rows].mean(), rel=0.015)


def test_every_domain_is_calibrated(simulated: "Simulated") -> None:
    domain = simulated.truth("surface") * 2 + simulated.truth("product")
    teacher, truth = simulated.truth("teacher"), simulated.truth("probability")
    for d in range(6):
        rows = domain == d
        for task in range(2 if d % 2 else 3):
            assert truth[rows, task].mean() == pytest.approx(teacher[rows, task].mean(), rel=0.025)


def test_logged_scores_are_probabilities_in_a_tree(simulated: "Simulated") -> None:
    ctr, gctr, octr = (simulated.column("candidates", task) for task in TASKS)
    for scores in (ctr, gctr, octr[~np.isnan(octr)]):
        assert scores.dtype == np.float32
        assert scores.min() > 0
        assert scores.max() < 1
    assert (gctr <= ctr).all()
    assert (octr <= ctr)[~np.isnan(octr)].all()
