"""Exact top-k against all scores sorted; small whole numbers, whose products have no rounding, make ties certain."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.errors import BundleError, ConfigError, MtmdError
from mtmd.serve.published import AdBlock, PublishedAds
from mtmd.serve.scorer import Embeddings, Scorer
from mtmd.serve.search import CHUNK, QUERIES, by_task, by_utility, search
from tests.serve.plain import log_probabilities

A, B = "a" * 64, "b" * 64
Matrices = Mapping[str, np.ndarray]


def whole(rng: np.random.Generator, rows: int, span: int = 3) -> np.ndarray:
    return rng.integers(-span, span + 1, (rows, 2)).astype(np.float32)


def queries(tasks: Matrices, bundle_id: str = A) -> Embeddings:
    return Embeddings(bundle_id, "query", np.zeros(len(tasks["ctr"]), np.int64), tasks)


def published(*blocks: tuple[str, Matrices]) -> PublishedAds:
    """Ads whose ids are 1000 less their place."""
    made, place = [], 0
    for product, tasks in blocks:
        count = len(tasks["ctr"])
        ids, bid = 1000 - np.arange(place, place + count), np.ones(count, np.float32)
        made.append(AdBlock(product, ids, tasks, bid, np.zeros((count, 2), np.int64)))
        place += count
    return PublishedAds(A, tuple(made))


def oracle(scores: np.ndarray, k: int) -> list[int]:
    """Rows of the k highest, equal ones in order; NaN nowhere."""
    rows = [row for row in range(len(scores)) if not np.isnan(scores[row])]
    return sorted(rows, key=lambda row: (-scores[row], row))[:k]


@pytest.mark.parametrize("k", [1, 10, 4 * CHUNK])
def test_the_best_of_many_chunks_with_ties_everywhere(declarations: Declarations, k: int) -> None:
    rng = np.random.default_rng(0)
    blocks = [("standard", {"ctr": whole(rng, count)}) for count in (CHUNK + 5, 3, 2 * CHUNK)]
    q = whole(rng, 3 if k > 10 else QUERIES + 2)
    found = search(queries({"ctr": q}), published(*blocks), by_task(declarations.domains, "ctr"), k)
    scores = q @ np.concatenate([tasks["ctr"] for _, tasks in blocks]).T
    for own, every, values in zip(found.row, scores, found.score, strict=True):
        assert own.tolist() == oracle(every, k)
        assert values.tolist() == every[own].tolist()
    assert found.ad_id.tolist() == (1000 - found.row).tolist()


@pytest.mark.parametrize("task", ["ctr", "octr"])
def test_ads_are_ranked_as_the_scorer_ranks_all_pairs(
    bundle: Path, declarations: Declarations, task: str
) -> None:
    """`octr` has a parent, and `shopping` lacks it: its ads in the middle rank nowhere."""
    rng = np.random.default_rng(1)
    q = {"ctr": whole(rng, 4, 1), "octr": whole(rng, 4, 1)}
    ads = [
        (
            "standard",
            {"ctr": whole(rng, 40, 1), "octr": whole(rng, 40, 1)},
        ),
        ("shopping", {"ctr": whole(rng, 30, 1)}),
        (
            "standard",
            {"ctr": whole(rng, 20, 1), "octr": whole(rng, 20, 1)},
        ),
    ]
    items = Embeddings(
        A,
        "item",
        np.repeat([0, 1, 0], [40, 30, 20]),
        {
            name: np.concatenate([own.get(name, np.zeros_like(own["ctr"])) for _, own in ads])
            for name in ("ctr", "octr")
        },
    )
    log_p = log_probabilities(Scorer.load(bundle), queries(q), items)[..., ["ctr", "octr"].index(task)]
    found = search(queries(q), published(*ads), by_task(declarations.domains, task), 200)
    assert found.row.shape == (4, 90 if task == "ctr" else 60)
    for own, every in zip(found.row, log_p, strict=True):
        assert own.tolist() == oracle(every, 200)


def test_real_numbers_give_the_rows_of_a_full_sort(declarations: Declarations) -> None:
    rng = np.random.default_rng(2)
    ads = rng.normal(size=(30_000, 2)).astype(np.float32)
    q = rng.normal(size=(2, 2)).astype(np.float32)
    found = search(
        queries({"ctr": q}), published(("shopping", {"ctr": ads})), by_task(declarations.domains, "ctr"), 50
    )
    exact = q.astype(np.float64) @ ads.T.astype(np.float64)
    for own, every in zip(found.row, exact, strict=True):
        np.testing.assert_allclose(every[own], -np.sort(-every)[:50], rtol=1e-5)


@pytest.mark.parametrize("weights", [{"ctr": 1.0}, {"octr": 2.0}, {"ctr": 0.5, "octr": -3.0}])
def test_a_utility_is_the_bid_times_the_weighted_probabilities(
    declarations: Declarations, weights: dict[str, float]
) -> None:
    """P(octr) is sigmoid(octr) · sigmoid(ctr), and `shopping`, which has no octr, earns nothing with it."""
    rng = np.random.default_rng(5)
    standard = {name: rng.normal(size=(300, 2)).astype(np.float32) for name in ("ctr", "octr")}
    shopping = {"ctr": rng.normal(size=(200, 2)).astype(np.float32)}
    bid = rng.exponential(size=500).astype(np.float32)
    ads = published(("standard", standard), ("shopping", shopping))
    starts = (0, 300)
    blocks = [replace(own, bid=bid[s : s + len(own)]) for own, s in zip(ads.blocks, starts, strict=True)]
    ads = PublishedAds(A, tuple(blocks))
    q = {name: rng.normal(size=(3, 2)).astype(np.float32) for name in ("ctr", "octr")}
    click = 1 / (1 + np.exp(-(q["ctr"] @ np.concatenate([standard["ctr"], shopping["ctr"]]).T)))
    outbound = np.zeros((3, 500))
    outbound[:, :300] = click[:, :300] / (1 + np.exp(-(q["octr"] @ standard["octr"].T)))
    worth = bid * (weights.get("ctr", 0) * click + weights.get("octr", 0) * outbound)
    found = search(queries(q), ads, by_utility(declarations.domains, weights), 20)
    for own, every, scores in zip(found.row, worth, found.score, strict=True):
        np.testing.assert_allclose(scores, every[own], rtol=1e-5)
        np.testing.assert_allclose(scores, -np.sort(-every)[:20], rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"cvr": 1.0}, r"weights are given to \['cvr'\]"),
        ({}, "of one task at least"),
        ({"ctr": np.nan}, "numbers"),
    ],
)
def test_weights_that_mean_nothing_are_refused(
    declarations: Declarations, weights: dict[str, float], message: str
) -> None:
    with pytest.raises(MtmdError, match=message):
        by_utility(declarations.domains, weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e5])
def test_a_query_that_is_not_finite_is_refused(declarations: Declarations, bad: float) -> None:
    q = np.array([[1.0, 2.0], [bad, 0.0]], np.float32)
    ads = published(("shopping", {"ctr": np.ones((2, 2), np.float32)}))
    with pytest.raises(BundleError, match="query 1 has a ctr embedding with a number beyond"):
        search(queries({"ctr": q}), ads, by_task(declarations.domains, "ctr"), 1)


def test_what_does_not_belong_together_is_refused(declarations: Declarations) -> None:
    ads = published(("shopping", {"ctr": np.ones((2, 2), np.float32)}))
    q = {"ctr": np.ones((1, 2), np.float32)}
    ranking = by_task(declarations.domains, "ctr")
    with pytest.raises(BundleError, match=f"bundle {B}, the published ads with bundle {A}"):
        search(queries(q, B), ads, ranking, 1)
    with pytest.raises(BundleError, match="item embeddings were given where query embeddings belong"):
        search(Embeddings(A, "item", np.zeros(1, np.int64), q), ads, ranking, 1)
    with pytest.raises(BundleError, match="task 'cvr' must be one of"):
        by_task(declarations.domains, "cvr")
    with pytest.raises(ConfigError, match=r"k \(0\)"):
        search(queries(q), ads, ranking, 0)
