"""What an arm adds up."""

import numpy as np
import pytest

from mtmd.extras.abtest.arms import CELLS, SUMS, arm
from mtmd.extras.abtest.funnel import deliver
from tests.extras.abtest.funnels import FUNNEL, tiny_traffic


def test_cells_add_up_and_hold_their_impressions() -> None:
    traffic = tiny_traffic()
    found, shown = arm(traffic, traffic.teacher, FUNNEL), deliver(traffic, traffic.teacher, FUNNEL)
    sums, kinds = found.expected, np.array([kind for kind, _ in CELLS])
    for kind in ("surface", "product", "goal"):
        np.testing.assert_allclose(sums[kinds == kind].sum(axis=0), sums[0])
    assert found.expected[0, SUMS.index("spend")] == pytest.approx(shown.spent.sum())
    assert found.used == pytest.approx(shown.spent.sum() / shown.budget.sum())
    search = CELLS.index(("surface", "search"))
    inside = traffic.requests.surface[shown.request] == 1
    assert sums[search, SUMS.index("clicks")] == pytest.approx(shown.expected[inside, 0].sum())
    standard = CELLS.index(("product", "standard"))
    assert sums[0, SUMS.index("outbound_impressions")] == sums[standard, SUMS.index("impressions")]


def test_conversions_and_relevance_are_counted_where_the_world_has_them() -> None:
    five, three = (
        arm(one, one.teacher, FUNNEL) for one in (tiny_traffic(further_tasks=True), tiny_traffic())
    )
    first = SUMS.index("conversions")
    np.testing.assert_array_equal(five.expected[:, :first], three.expected[:, :first])
    assert not three.expected[:, first:].any()
    shopping, impressions = CELLS.index(("product", "shopping")), SUMS.index("impressions")
    at = {name: five.expected[0, SUMS.index(name)] for name in SUMS}
    assert at["conversion_impressions"] == five.expected[shopping, impressions]
    assert at["relevance_impressions"] == five.expected[0, impressions]
    assert 0 < at["conversions"] < at["clicks"]
    assert at["conversions"] < at["relevant"] < at["impressions"]


def test_the_same_ranker_in_paired_arms_changes_nothing_at_all() -> None:
    traffic = tiny_traffic()
    one, other = (arm(traffic, traffic.teacher, FUNNEL) for _ in range(2))
    np.testing.assert_array_equal(one.expected, other.expected)
