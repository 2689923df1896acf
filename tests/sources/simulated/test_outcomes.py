"""The teacher is calibrated; what is shown, and what people then do, is according to the truth."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mtmd.sources.simulated.ads import AdMarket
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.outcomes import Scores, act, following_clicks
from mtmd.sources.simulated.population import Population, generator
from mtmd.sources.simulated.requests import Pairs

if TYPE_CHECKING:
    from tests.sources.simulated.conftest import Simulated

CONFIG = WorldConfig()


def test_actions_follow_the_truth_not_the_teacher() -> None:
    """A teacher that is wrong everywhere changes what is shown, never what is done."""
    ads = AdMarket(Population(CONFIG)).ads(500)
    count = 40_000
    pairs = Pairs(np.repeat(np.arange(count // 4), 4), np.tile(np.arange(4), count // 4))
    truth = np.tile([0.3, 0.15, 0.06], (count, 1))
    wrong = np.tile([0.01, 0.009, 0.008], (count, 1))
    actions = act(CONFIG, ads, pairs, Scores(truth, wrong), generator(0, "test"))
    assert actions.clicked.mean() == pytest.approx(0.3, abs=0.01)
    assert actions.good_clicked.mean() == pytest.approx(0.15, abs=0.008)
    assert actions.outbound_clicked.mean() == pytest.approx(0.06, abs=0.005)
    hidden, saved = following_clicks(np.array([0.3]))[0]
    assert actions.hidden.mean() == pytest.approx(0.7 * hidden, abs=0.003)  # of what was not clicked
    assert actions.repinned.mean() == pytest.approx(saved, abs=0.005)
    assert not (actions.hidden & actions.clicked).any()
    assert not (actions.good_clicked & ~actions.clicked).any()
    assert not (actions.outbound_clicked & ~actions.clicked).any()


def test_logged_clicks_are_as_many_as_the_truth_of_what_was_shown(simulated: "Simulated") -> None:
    shown = simulated.truth("impressed")
    expected, clicks = simulated.truth("probability")[shown], simulated.column("candidates", "clicked")[shown]
    for task, label in enumerate(("clicked", "good_clicked", "outbound_clicked")):
        mean = np.nansum(expected[:, task])
        happened = simulated.column("candidates", label)[shown]
        assert sum(value is True for value in happened) == pytest.approx(mean, abs=4 * np.sqrt(mean))
    assert set(clicks.tolist()) == {True, False}


def test_the_auction_shows_the_best_and_explores_a_few(simulated: "Simulated") -> None:
    shown = simulated.truth("impressed")
    request = simulated.truth("request_id")
    per_request = np.unique(request[shown], return_counts=True)[1]
    assert per_request.min() >= CONFIG.impressions_per_request
    explored = shown.sum() - CONFIG.impressions_per_request * len(per_request)
    losers = len(shown) - CONFIG.impressions_per_request * len(per_request)
    assert explored / losers == pytest.approx(CONFIG.exploration, rel=0.2)


@pytest.mark.parametrize("task", range(3))
def test_mean_truth_among_rows_of_a_score_is_that_score(simulated: "Simulated", task: int) -> None:
    teacher, truth = simulated.truth("teacher")[:, task], simulated.truth("probability")[:, task]
    applies = ~np.isnan(teacher)
    order = np.argsort(teacher[applies])
    for rows in np.array_split(order, 10):
        assert truth[applies][rows].mean() == pytest.approx(teacher[applies][rows].mean(), rel=0.015)
