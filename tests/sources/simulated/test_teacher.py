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


def test_the_noise_is_small_beside_what_there_is_to_learn(simulated: "Simulated") -> None:
    domain = simulated.truth("surface") * 2 + simulated.truth("product")
    teacher, truth = simulated.truth("teacher"), simulated.truth("probability")
    structure = simulated.truth("structure")
    for d in range(6):
        for task in range(2 if d % 2 else 3):
            rows = teacher[domain == d, task]
            constant = np.abs(np.log(rows / rows.mean())).mean()
            noise = np.abs(np.log(truth[domain == d, task] / rows)).mean()
            best = np.abs(np.log(structure[domain == d, task] / rows)).mean()
            assert 0.7 < constant < 1.4
            assert 0.08 < noise < 0.17
            assert best < 0.1  # where a perfect student would be


def test_the_teacher_is_blinder_for_rare_ads_and_in_thin_domains(simulated: "Simulated") -> None:
    error = np.abs(np.log(simulated.truth("probability")[:, 0] / simulated.truth("teacher")[:, 0]))
    ad, count = simulated.truth("ad_id"), {}
    values, counts = np.unique(ad, return_counts=True)
    count = dict(zip(values.tolist(), counts.tolist(), strict=True))
    seen = np.array([count[i] for i in ad.tolist()])
    assert error[seen <= 10].mean() > 1.1 * error[seen >= 200].mean()
    thin = (simulated.truth("surface") == 2) & (simulated.truth("product") == 1)
    assert error[thin].mean() > 1.1 * error[~thin].mean()


def test_logged_scores_are_probabilities_in_a_tree(simulated: "Simulated") -> None:
    ctr, gctr, octr = (simulated.column("candidates", task) for task in TASKS)
    for scores in (ctr, gctr, octr[~np.isnan(octr)]):
        assert scores.dtype == np.float32
        assert scores.min() > 0
        assert scores.max() < 1
    assert (gctr <= ctr).all()
    assert (octr <= ctr)[~np.isnan(octr)].all()


def test_rates_are_realistic(simulated: "Simulated") -> None:
    domain = simulated.truth("surface") * 2 + simulated.truth("product")
    for d in range(6):
        ctr, gctr, octr = simulated.truth("probability")[domain == d].mean(0)
        assert 0.01 < ctr < 0.1
        assert 0.3 < gctr / ctr < 0.65
        assert np.isnan(octr) or 0.1 < octr / ctr < 0.45
