"""The delivery funnel: what reaches the auction, who wins it, what it costs, and what people do."""

import numpy as np
import pytest

from mtmd.errors import EvaluationError
from mtmd.extras.abtest.funnel import ACTIONS, FURTHER_ACTIONS, chance, deliver, heavyweight, highest, oracle
from mtmd.extras.abtest.settings import FunnelConfig
from mtmd.extras.abtest.traffic import Chances, Traffic
from tests.extras.abtest.funnels import FUNNEL, tiny_traffic

PLENTY = FUNNEL.model_copy(update={"budget": 1e6})  # nobody runs out, so nobody is paced
RANKERS = (oracle, heavyweight, chance)


def utility(traffic: Traffic, scores: Chances, pair: int) -> tuple[float, float]:
    """What the module's docstring says of one pair: bid · P(what is paid for), and the quality term."""
    ad = traffic.pairs.ad[pair]
    ctr, gctr = float(scores[pair, 0]), float(scores[pair, 1])
    return float(traffic.ads.bid[ad]) * (0.12 * gctr if traffic.ads.conversion[ad] else ctr), 0.02 * gctr


def by_hand(
    traffic: Traffic, scores: Chances, funnel: FunnelConfig, row: int
) -> list[tuple[int, int, float]]:
    """(ad, slot, price) of a request's impressions, at full bids."""
    pairs = range(traffic.first[row], traffic.first[row + 1])
    kept = sorted(pairs, key=lambda pair: -sum(utility(traffic, scores, pair)))[: funnel.keep]
    worth = {pair: utility(traffic, traffic.teacher, pair) for pair in kept}
    taking_part = [pair for pair in kept if worth[pair][0] >= funnel.reserve]
    order = sorted(taking_part, key=lambda pair: -sum(worth[pair]))
    found = []
    for slot, pair in enumerate(order[: funnel.slots]):
        rival = sum(worth[order[slot + 1]]) if slot + 1 < len(order) else 0.0
        found.append((int(traffic.pairs.ad[pair]), slot, max(funnel.reserve, rival - worth[pair][1])))
    return found


@pytest.mark.parametrize("reserve", [0.002, 0.05])
def test_every_impression_and_price_is_that_of_a_plain_auction(reserve: float) -> None:
    traffic, funnel = tiny_traffic(), PLENTY.model_copy(update={"reserve": reserve})
    scores = chance(traffic)
    shown = deliver(traffic, scores, funnel)
    for row in range(0, 300, 7):
        own = shown.request == row
        wanted = by_hand(traffic, scores, funnel, row)
        assert [*zip(shown.ad[own].tolist(), shown.slot[own].tolist(), strict=True)] == [
            w[:2] for w in wanted
        ]
        np.testing.assert_allclose(shown.price[own], [w[2] for w in wanted], rtol=1e-5)


def test_nobody_pays_more_than_the_bid_or_less_than_the_reserve() -> None:
    traffic = tiny_traffic()
    shown = deliver(traffic, traffic.teacher, PLENTY)
    key = traffic.pairs.request * len(traffic.ads.ad_id) + traffic.pairs.ad
    pair = np.searchsorted(key, shown.request * len(traffic.ads.ad_id) + shown.ad)
    worth = np.array([utility(traffic, traffic.teacher, p)[0] for p in pair])
    assert (shown.price <= worth * (1 + 1e-6)).all()
    assert (shown.price >= PLENTY.reserve * (1 - 1e-9)).all()


@pytest.mark.parametrize("ranker", RANKERS)
def test_budgets_hold_and_are_spent_through_the_day(ranker: object) -> None:
    traffic = tiny_traffic()
    shown = deliver(traffic, ranker(traffic), FUNNEL)  # type: ignore[operator]
    assert (shown.spent <= shown.budget).all()
    np.testing.assert_allclose(np.bincount(shown.ad, shown.price, minlength=len(shown.spent)), shown.spent)
    assert shown.spent.sum() / shown.budget.sum() > 0.4
    first_half = shown.price[shown.request < 150].sum() / shown.price.sum()
    assert 0.35 < first_half < 0.75


def test_impressions_count_the_true_chances_of_each_action() -> None:
    traffic, plain = tiny_traffic(further_tasks=True), tiny_traffic()
    shown, before = (deliver(one, one.teacher, PLENTY) for one in (traffic, plain))
    np.testing.assert_array_equal(shown.expected[:, : len(ACTIONS)], before.expected)
    np.testing.assert_array_equal(shown.price, before.price)
    assert shown.expected.shape[1] == len(ACTIONS) + len(FURTHER_ACTIONS)
    clicks, shopping = shown.expected[:, 0], traffic.ads.product[shown.ad] == 1
    assert (shown.expected[:, ACTIONS.index("good_click")] <= clicks).all()
    np.testing.assert_array_equal(np.isnan(shown.expected[:, ACTIONS.index("outbound_click")]), shopping)
    np.testing.assert_array_equal(np.isnan(shown.expected[:, len(ACTIONS)]), ~shopping)


def test_a_better_lightweight_ranker_brings_more_clicks_for_the_same_impressions() -> None:
    traffic = tiny_traffic()
    found = [deliver(traffic, ranker(traffic), FUNNEL) for ranker in (oracle, chance)]
    rates = [shown.expected[:, 0].mean() for shown in found]
    assert rates[0] > 1.1 * rates[1]
    assert len(found[0].ad) == pytest.approx(len(found[1].ad), rel=0.05)


def test_a_request_with_too_few_ads_shows_fewer() -> None:
    first = np.array([0, 3, 3, 5])
    found = highest(np.array([0.1, -np.inf, 0.3, 0.2, 0.9]), first, keep=2)
    assert [set(row) for row in found.tolist()] == [{0, 2}, {-1}, {3, 4}]


def test_scores_that_do_not_fit_are_refused() -> None:
    traffic = tiny_traffic()
    with pytest.raises(EvaluationError, match=r"shape \(5, 3\)"):
        deliver(traffic, traffic.teacher[:5], FUNNEL)
    broken = traffic.teacher.copy()
    broken[7, 1] = np.nan
    with pytest.raises(EvaluationError, match=r"1 of \d+ scores of the lightweight ranker are not finite"):
        deliver(traffic, broken, FUNNEL)
