"""Exact top-k against all scores sorted; small whole numbers, whose products have no rounding, make ties certain."""

from collections.abc import Mapping

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.serve.published import AdBlock, PublishedAds
from mtmd.serve.ranker import CHUNK, QUERIES, ranking_by, search

Matrices = Mapping[str, np.ndarray]


def whole(rng: np.random.Generator, rows: int, span: int = 3) -> np.ndarray:
    return rng.integers(-span, span + 1, (rows, 2)).astype(np.float32)


def published(*blocks: tuple[str, Matrices], bid: np.ndarray | None = None) -> PublishedAds:
    made, place = [], 0
    for product, tasks in blocks:
        count = len(tasks["ctr"])
        bids = np.ones(count, np.float32) if bid is None else bid[place : place + count]
        made.append(AdBlock(product, np.arange(place, place + count), tasks, bids))
        place += count
    return PublishedAds(tuple(made))


def oracle(scores: np.ndarray, k: int) -> list[int]:
    """Rows of the k highest, equal ones in order; NaN nowhere."""
    rows = [row for row in range(len(scores)) if not np.isnan(scores[row])]
    return sorted(rows, key=lambda row: (-scores[row], row))[:k]


@pytest.mark.parametrize("k", [1, 10, 4 * CHUNK])
def test_the_best_of_many_chunks_with_ties_everywhere(declarations: Declarations, k: int) -> None:
    rng = np.random.default_rng(0)
    blocks = [("standard", {"ctr": whole(rng, count)}) for count in (CHUNK + 5, 3, 2 * CHUNK)]
    q = whole(rng, 3 if k > 10 else QUERIES + 2)
    rows, values = search({"ctr": q}, published(*blocks), ranking_by(declarations.domains, "ctr"), k)
    scores = q @ np.concatenate([tasks["ctr"] for _, tasks in blocks]).T
    for own, every, found in zip(rows, scores, values, strict=True):
        assert own.tolist() == oracle(every, k)
        assert found.tolist() == every[own].tolist()


def world(rng: np.random.Generator) -> tuple[Matrices, list[tuple[str, Matrices]], np.ndarray, np.ndarray]:
    """Queries, ads of which those in the middle lack octr, and P(ctr), P(octr) of each pair, NaN without octr."""
    q = {name: rng.normal(size=(3, 2)).astype(np.float32) for name in ("ctr", "octr")}
    own = {name: rng.normal(size=(500, 2)).astype(np.float32) for name in q}
    ads = [
        ("standard", {name: matrix[:200] for name, matrix in own.items()}),
        ("shopping", {"ctr": own["ctr"][200:300]}),
        ("standard", {name: matrix[300:] for name, matrix in own.items()}),
    ]
    click = 1 / (1 + np.exp(-(q["ctr"] @ own["ctr"].T)))
    outbound = click / (1 + np.exp(-(q["octr"] @ own["octr"].T)))
    outbound[:, 200:300] = np.nan
    return q, ads, click, outbound


@pytest.mark.parametrize("task", ["ctr", "octr"])
def test_ads_are_ranked_by_the_probability_of_a_task_that_they_have(
    declarations: Declarations, task: str
) -> None:
    q, ads, click, outbound = world(np.random.default_rng(1))
    rows, _ = search(q, published(*ads), ranking_by(declarations.domains, task), 1000)
    assert rows.shape == (3, 500 if task == "ctr" else 400)
    for own, every in zip(rows, click if task == "ctr" else outbound, strict=True):
        np.testing.assert_allclose(every[own], -np.sort(-every[~np.isnan(every)]), rtol=1e-5)


@pytest.mark.parametrize("weights", [{"ctr": 1.0}, {"octr": 2.0}, {"ctr": 0.5, "octr": -3.0}])
def test_a_utility_is_the_bid_times_the_weighted_probabilities(
    declarations: Declarations, weights: dict[str, float]
) -> None:
    """P(octr) is sigmoid(octr) · sigmoid(ctr), and `shopping`, which has no octr, earns nothing with it."""
    rng = np.random.default_rng(5)
    q, ads, click, outbound = world(rng)
    bid = rng.exponential(size=500).astype(np.float32)
    worth = bid * (weights.get("ctr", 0) * click + weights.get("octr", 0) * np.nan_to_num(outbound))
    rows, scores = search(q, published(*ads, bid=bid), ranking_by(declarations.domains, weights), 20)
    for own, every, found in zip(rows, worth, scores, strict=True):
        np.testing.assert_allclose(found, every[own], rtol=1e-5)
        np.testing.assert_allclose(found, -np.sort(-every)[:20], rtol=1e-5)


@pytest.mark.parametrize("by", ["octr", {"ctr": 0.5, "octr": 2.0}])
@pytest.mark.parametrize("requests", [1, 5])  # each by itself; together
def test_the_search_by_int8_finds_what_the_exact_one_does(
    declarations: Declarations, by: str | dict[str, float], requests: int
) -> None:
    rng = np.random.default_rng(2)
    q, own = (
        {name: rng.normal(size=(rows, 32)).astype(np.float32) for name in ("ctr", "octr")}
        for rows in (requests, 900)
    )
    own["ctr"][7] = 0
    ads = published(("standard", own), *(("shopping", {"ctr": own["ctr"][row:]}) for row in (600, 900)))
    int8 = PublishedAds(tuple(block.with_int8() for block in ads.blocks))
    ranking = ranking_by(declarations.domains, by)
    for exact, near in zip(search(q, ads, ranking, 20), search(q, int8, ranking, 20), strict=True):
        np.testing.assert_allclose(near, exact, rtol=1e-5)
