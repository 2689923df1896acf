"""A ranker over the bundle whose towers pass two numbers on: logit ctr = activity · bid + depth · age."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtmd.serve.published import AdBlock, PublishedAds
from mtmd.serve.ranker import Ranker, ranking_by
from mtmd.serve.scorer import Scorer
from tests.serve.http.conftest import ADS

REQUESTS: list[dict[str, Any]] = [
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.25},
    {"request_id": 2, "surface": "home_feed", "activity": -1.0, "depth": 1.0},
]


def published(scorer: Scorer) -> PublishedAds:
    blocks = []
    for product in ("standard", "shopping"):
        own = [ad for ad in ADS if ad["product"] == product]
        made = scorer.embed("item", product, scorer.encode(own, "item")).tasks
        tasks = {task: made[task] for task in (("ctr", "octr") if product == "standard" else ("ctr",))}
        ids, bids = ([ad[name] for ad in own] for name in ("ad_id", "bid"))
        blocks.append(AdBlock(product, np.array(ids), tasks, np.array(bids, np.float32)))
    return PublishedAds(tuple(blocks))


@pytest.fixture
def scorer(bundle: Path) -> Scorer:
    return Scorer.load(bundle)


@pytest.fixture
def ranker(scorer: Scorer) -> Ranker:
    return Ranker("some-model", scorer, published(scorer))


def test_no_requests_no_ads_and_ads_that_nobody_published_give_empty_answers(
    ranker: Ranker, scorer: Scorer
) -> None:
    ranking = ranking_by(scorer.info.declarations.domains, "ctr")
    empty = Ranker("some-model", scorer, PublishedAds(()))
    assert ranker.rank([], ranking, 4).probability.shape == (0, 0, 2)
    assert empty.rank(REQUESTS, ranking, 4).probability.shape == (2, 0, 2)
    assert empty.rank(REQUESTS, ranking, 4, ad_ids=[7]).unpublished.tolist() == [7]
    assert ranker.rank(REQUESTS, ranking, 4, ad_ids=[8]).ad_id.shape == (2, 0)
