"""Budgets and paced bids."""

import numpy as np
import pytest

from mtmd.extras.abtest.funnel import Pacer, daily_budgets
from tests.extras.abtest.funnels import FUNNEL, tiny_traffic


def test_budgets_are_traits_of_the_ads_and_add_up() -> None:
    ads = tiny_traffic().ads
    budgets = daily_budgets(0, ads, 300, FUNNEL)
    assert budgets.sum() == pytest.approx(300 * FUNNEL.budget)
    assert budgets.min() > 0
    np.testing.assert_allclose(daily_budgets(0, ads, 600, FUNNEL), 2 * budgets)
    equal = FUNNEL.model_copy(update={"budget_spread": 0.0})
    np.testing.assert_allclose(daily_budgets(0, ads, 300, equal), 300 * FUNNEL.budget / len(ads.ad_id))


def test_nobody_pays_more_than_the_budget_and_what_is_spent_stops() -> None:
    pacer = Pacer(np.array([2.0, 3.0]), np.array([1.0, 10.0]), 0.1)
    paid = pacer.charge(np.array([0, 1, 0, 0]), np.array([0.5, 2.0, 0.5, 1.0]))
    np.testing.assert_allclose(paid, [0.25, 2.0, 0.25, 0.5])
    np.testing.assert_allclose(pacer.spent, [1.0, 2.0])
    np.testing.assert_allclose(pacer.bids(), [0.0, 3.0])
    assert pacer.charge(np.array([0]), np.array([1.0])).tolist() == [0.0]


def test_bids_fall_ahead_of_the_plan_and_rise_behind_it_up_to_the_bid() -> None:
    pacer = Pacer(np.array([2.0, 2.0]), np.array([1.0, 1.0]), 0.1)
    pacer.charge(np.array([0]), np.array([0.5]))
    pacer.adjust(0.25)
    np.testing.assert_allclose(pacer.bids(), [1.8, 2.0])
    pacer.adjust(0.75)
    np.testing.assert_allclose(pacer.bids(), [1.8 * 1.1, 2.0])
    for _ in range(100):
        pacer.adjust(0.1)
    np.testing.assert_allclose(pacer.bids(), [0.02, 2.0])
