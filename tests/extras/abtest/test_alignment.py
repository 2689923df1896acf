"""Agreement of the lightweight with the heavyweight ranker."""

import numpy as np
import pytest

from mtmd.extras.abtest.arms import alignment
from mtmd.extras.abtest.funnel import chance, oracle
from tests.extras.abtest.funnels import FUNNEL, tiny_traffic


def test_the_heavyweight_ranker_agrees_with_itself_and_others_less() -> None:
    traffic = tiny_traffic()
    perfect, near, blind = (
        alignment(traffic, s, FUNNEL) for s in (traffic.teacher, oracle(traffic), chance(traffic))
    )
    assert [one.surface for one in perfect] == ["all", "home_feed", "search", "related_pin"]
    assert {one.kept for one in perfect} == {one.winners for one in perfect} == {1.0}
    assert 0.7 < near[0].kept < 1.0
    assert blind[0].kept < 0.5
    shares = np.bincount(traffic.requests.surface, minlength=3) / len(traffic.requests)
    assert near[0].kept == pytest.approx(sum(shares * [one.kept for one in near[1:]]))
