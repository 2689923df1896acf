"""A ranker over the bundle whose towers pass two numbers on: logit ctr = activity · bid + depth · age."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtmd.config import IdsConfig
from mtmd.errors import LogsError
from mtmd.logs.contract import id_list
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


def test_ads_are_found_by_ids_of_text(make_bundle: Callable[..., Path]) -> None:
    scorer = Scorer.load(make_bundle(ids=IdsConfig(ad="VARCHAR")))
    names = {7: b"seven", 3: b"three", 9: b"nine or more", 1: b"one"}
    numbered = published(scorer)
    blocks = [
        replace(own, ad_id=np.array([names[ad] for ad in own.ad_id.tolist()])) for own in numbered.blocks
    ]
    ranker = Ranker("some-model", scorer, PublishedAds(tuple(blocks)))
    ranking = ranking_by(scorer.info.declarations.domains, "ctr")
    everything = Ranker("some-model", scorer, numbered).rank(REQUESTS, ranking, 4)
    assert [id_list(own) for own in ranker.rank(REQUESTS, ranking, 4).ad_id] == [
        [names[ad].decode() for ad in own] for own in everything.ad_id.tolist()
    ]
    found = ranker.rank(REQUESTS, ranking, 4, ad_ids=["one", "zero and a long tail", "seven", "one"])
    assert id_list(found.unpublished) == ["zero and a long tail"]
    assert {one for own in found.ad_id for one in id_list(own)} == {"one", "seven"}


def test_no_requests_no_ads_and_ads_that_nobody_published_give_empty_answers(
    ranker: Ranker, scorer: Scorer
) -> None:
    ranking = ranking_by(scorer.info.declarations.domains, "ctr")
    empty = Ranker("some-model", scorer, PublishedAds(()))
    assert ranker.rank([], ranking, 4).probability.shape == (0, 0, 2)
    assert empty.rank(REQUESTS, ranking, 4).probability.shape == (2, 0, 2)
    assert empty.rank(REQUESTS, ranking, 4, ad_ids=[7]).unpublished.tolist() == [7]
    assert ranker.rank(REQUESTS, ranking, 4, ad_ids=[8]).ad_id.shape == (2, 0)


def test_a_request_that_no_embedding_can_hold_is_refused(ranker: Ranker) -> None:
    with pytest.raises(LogsError, match="request 1 has features that give a ctr embedding beyond"):
        ranker.embed([REQUESTS[0], REQUESTS[1] | {"depth": 1e30}])
