import math
from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import LogsError
from mtmd.serve.requests import RankRequest, rank
from mtmd.serve.scorer import Scorer

REQUESTS = (
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.0},
    {"request_id": 2, "surface": "home_feed", "activity": 0.0, "depth": 1.0},
    {"request_id": 3, "surface": "search", "activity": -1.0, "depth": 0.0},
)
ADS = (
    {"ad_id": 10, "product": "shopping", "bid": 3.0, "age": 0.0},
    {"ad_id": 11, "product": "standard", "bid": 1.0, "age": 2.0},
    {"ad_id": 12, "product": "shopping", "bid": -1.0, "age": 1.0},
)


@pytest.fixture
def scorer(bundle: Path) -> Scorer:
    return Scorer.load(bundle)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_mixed_domains_keep_the_order_of_the_question(scorer: Scorer) -> None:
    answer = rank(scorer, RankRequest(requests=REQUESTS, ads=ADS))
    assert [one.request_id for one in answer.requests] == [1, 2, 3]
    logits = [[3.0, 1.0, -1.0], [0.0, 2.0, 1.0], [-3.0, -1.0, 1.0]]
    for own, expected in zip(answer.requests, logits, strict=True):
        assert own.scores["ctr"] == pytest.approx([sigmoid(x) for x in expected], rel=1e-5)


def test_a_task_that_the_product_lacks_is_null(scorer: Scorer) -> None:
    answer = rank(scorer, RankRequest(requests=REQUESTS[:1], ads=ADS))
    first, second, third = answer.requests[0].scores["octr"]
    assert first is third is None
    assert second == pytest.approx(sigmoid(1.0) * sigmoid(4.0), rel=1e-5)


def test_the_best_ads_come_first(scorer: Scorer) -> None:
    answer = rank(scorer, RankRequest(requests=REQUESTS, ads=ADS, top_k=2))
    assert [[ad.ad_id for ad in one.top] for one in answer.requests] == [[10, 11], [11, 12], [12, 11]]
    assert answer.rank_by == "ctr"


def test_ranking_by_another_task_leaves_out_ads_without_it(scorer: Scorer) -> None:
    answer = rank(scorer, RankRequest(requests=REQUESTS, ads=ADS, rank_by="octr"))
    assert [[ad.ad_id for ad in one.top] for one in answer.requests] == [[11], [11], [11]]


def test_a_question_of_one_domain_and_one_row_is_answered(scorer: Scorer) -> None:
    answer = rank(scorer, RankRequest(requests=REQUESTS[:1], ads=ADS[:1]))
    assert answer.requests[0].top[0].ad_id == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"requests": ({"request_id": 1, "surface": "maps"},)}, "row 0 has surface 'maps'"),
        ({"ads": (*ADS, {"ad_id": 1})}, "row 3 has product None"),
        ({"requests": ({"surface": "search"},)}, "row 0 has request_id None"),
        ({"rank_by": "cvr"}, "rank_by 'cvr' must be a task"),
    ],
)
def test_a_question_that_does_not_fit_is_refused(
    scorer: Scorer, change: dict[str, Any], message: str
) -> None:
    question = RankRequest(**({"requests": REQUESTS, "ads": ADS} | change))
    with pytest.raises(LogsError, match=message):
        rank(scorer, question)
