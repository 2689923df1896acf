"""What an arm adds up."""

import numpy as np
import pytest

from mtmd.abtest.arms import CELLS, SUMS, arm, split_arms, treated_users
from mtmd.abtest.funnel import deliver
from tests.abtest.funnels import FUNNEL, tiny_traffic


def test_cells_add_up_and_hold_their_impressions() -> None:
    traffic = tiny_traffic()
    found, shown = arm(traffic, traffic.teacher, FUNNEL), deliver(traffic, traffic.teacher, FUNNEL)
    for sums in (found.expected, found.drawn):
        kinds = np.array([kind for kind, _ in CELLS])
        for kind in ("surface", "product", "goal"):
            np.testing.assert_allclose(sums[kinds == kind].sum(axis=0), sums[0])
    assert found.expected[0, SUMS.index("spend")] == pytest.approx(shown.spent.sum())
    assert found.used == pytest.approx(shown.spent.sum() / shown.budget.sum())
    search = CELLS.index(("surface", "search"))
    inside = traffic.requests.surface[shown.request] == 1
    assert found.drawn[search, SUMS.index("clicks")] == shown.happened[inside, 0].sum()
    standard = CELLS.index(("product", "standard"))
    assert (
        found.drawn[0, SUMS.index("outbound_impressions")] == found.drawn[standard, SUMS.index("impressions")]
    )


def test_conversions_and_relevance_are_counted_where_the_world_has_them() -> None:
    five, three = (
        arm(one, one.teacher, FUNNEL) for one in (tiny_traffic(further_tasks=True), tiny_traffic())
    )
    first = SUMS.index("conversions")
    for own, other in ((five.expected, three.expected), (five.drawn, three.drawn)):
        np.testing.assert_array_equal(own[:, :first], other[:, :first])
        assert not other[:, first:].any()
    shopping, impressions = CELLS.index(("product", "shopping")), SUMS.index("impressions")
    at = {name: five.drawn[0, SUMS.index(name)] for name in SUMS}
    assert at["conversion_impressions"] == five.drawn[shopping, impressions]
    assert at["relevance_impressions"] == five.drawn[0, impressions]
    assert 0 < at["conversions"] < at["clicks"]
    assert at["conversions"] < at["relevant"] < at["impressions"]


def test_split_arms_take_their_own_conversions() -> None:
    traffic = tiny_traffic(further_tasks=True)
    treated = treated_users(traffic.requests.users.user_id, 3)
    part, pairs = traffic.only(treated)
    np.testing.assert_array_equal(part.further, traffic.further[pairs])


def test_the_same_ranker_in_paired_arms_changes_nothing_at_all() -> None:
    traffic = tiny_traffic()
    one, other = (arm(traffic, traffic.teacher, FUNNEL) for _ in range(2))
    np.testing.assert_array_equal(one.expected, other.expected)
    np.testing.assert_array_equal(one.drawn, other.drawn)


def test_split_arms_share_users_and_budgets() -> None:
    traffic = tiny_traffic()
    control, treatment = split_arms(traffic, traffic.teacher, traffic.teacher, FUNNEL, seed=3)
    treated = treated_users(traffic.requests.users.user_id, 3)
    impressions = SUMS.index("impressions")
    assert treatment.drawn[0, impressions] == pytest.approx(treated.sum() * FUNNEL.slots, rel=0.05)
    assert control.drawn[0, impressions] == pytest.approx((~treated).sum() * FUNNEL.slots, rel=0.05)
    spend = control.drawn[0, 0] / control.used + treatment.drawn[0, 0] / treatment.used
    assert spend == pytest.approx(FUNNEL.budget * FUNNEL.requests)


def test_users_stay_in_their_half_and_halves_change_with_the_seed() -> None:
    users = np.arange(2000)
    one = treated_users(users, 0)
    np.testing.assert_array_equal(treated_users(users[::-1], 0)[::-1], one)
    assert one.mean() == pytest.approx(0.5, abs=0.05)
    assert (one == treated_users(users, 1)).mean() == pytest.approx(0.5, abs=0.05)
