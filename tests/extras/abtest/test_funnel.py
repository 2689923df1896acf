"""The delivery funnel: what reaches the auction, who wins it, what it costs, and what people do."""

import numpy as np
import pytest

from mtmd.errors import EvaluationError
from mtmd.extras.abtest import Settings
from mtmd.extras.abtest.funnel import RESERVE, Chances, Pacer, Traffic, deliver, highest
from tests.extras.abtest.made import FUNNEL, tiny_traffic

PLENTY = FUNNEL.model_copy(update={"budget": 1e6})  # nobody runs out, so nobody is paced


def by_chance(traffic: Traffic) -> Chances:
    return np.random.default_rng(0).random(traffic.truth.shape, np.float32)


def utility(traffic: Traffic, scores: Chances, pair: int) -> tuple[float, float]:
    """What the module's docstring says of one pair: bid · P(what is paid for), and the quality term."""
    ad = traffic.pairs.ad[pair]
    ctr, gctr = float(scores[pair, 0]), float(scores[pair, 1])
    return float(traffic.ads.bid[ad]) * (0.12 * gctr if traffic.ads.conversion[ad] else ctr), 0.02 * gctr


def by_hand(traffic: Traffic, scores: Chances, funnel: Settings, row: int) -> list[tuple[int, int, float]]:
    """(ad, slot, price) of a request's impressions, at full bids."""
    pairs = range(traffic.first[row], traffic.first[row + 1])
    kept = sorted(pairs, key=lambda pair: -sum(utility(traffic, scores, pair)))[: funnel.keep]
    worth = {pair: utility(traffic, traffic.teacher, pair) for pair in kept}
    taking_part = [pair for pair in kept if worth[pair][0] >= RESERVE]
    order = sorted(taking_part, key=lambda pair: -sum(worth[pair]))
    found = []
    for slot, pair in enumerate(order[: funnel.slots]):
        rival = sum(worth[order[slot + 1]]) if slot + 1 < len(order) else 0.0
        found.append((int(traffic.pairs.ad[pair]), slot, max(RESERVE, rival - worth[pair][1])))
    return found


def test_every_impression_and_price_is_that_of_a_plain_auction() -> None:
    traffic = tiny_traffic()
    scores = by_chance(traffic)
    shown = deliver(traffic, scores, PLENTY)
    for row in range(0, 300, 7):
        own = shown.request == row
        wanted = by_hand(traffic, scores, PLENTY, row)
        assert [*zip(shown.ad[own].tolist(), shown.slot[own].tolist(), strict=True)] == [
            w[:2] for w in wanted
        ]
        np.testing.assert_allclose(shown.price[own], [w[2] for w in wanted], rtol=1e-5)


@pytest.mark.parametrize("knows", [True, False])
def test_budgets_hold_and_are_spent_through_the_day(*, knows: bool) -> None:
    traffic = tiny_traffic()
    shown = deliver(traffic, traffic.truth if knows else by_chance(traffic), FUNNEL)
    assert (shown.spent <= shown.budget).all()
    np.testing.assert_allclose(np.bincount(shown.ad, shown.price, minlength=len(shown.spent)), shown.spent)
    assert shown.spent.sum() / shown.budget.sum() > 0.4
    first_half = shown.price[shown.request < 150].sum() / shown.price.sum()
    assert 0.35 < first_half < 0.75


def test_a_request_with_too_few_ads_shows_fewer() -> None:
    first = np.array([0, 3, 3, 5])
    found = highest(np.array([0.1, -np.inf, 0.3, 0.2, 0.9]), first, keep=2)
    assert [set(row) for row in found.tolist()] == [{0, 2}, {-1}, {3, 4}]


def test_scores_that_do_not_fit_are_refused() -> None:
    traffic = tiny_traffic()
    broken = traffic.teacher.copy()
    broken[7, 1] = np.nan
    with pytest.raises(EvaluationError, match=r"1 of \d+ scores of the lightweight ranker are not finite"):
        deliver(traffic, broken, FUNNEL)


def test_bids_fall_ahead_of_the_plan_and_rise_behind_it_up_to_the_bid() -> None:
    pacer = Pacer(np.array([2.0, 2.0]), np.array([1.0, 1.0]))
    pacer.charge(np.array([0]), np.array([0.5]))
    pacer.adjust(0.25)
    np.testing.assert_allclose(pacer.bids(), [1.8, 2.0])
    pacer.adjust(0.75)
    np.testing.assert_allclose(pacer.bids(), [1.8 * 1.1, 2.0])
    for _ in range(100):
        pacer.adjust(0.1)
    np.testing.assert_allclose(pacer.bids(), [0.02, 2.0])
