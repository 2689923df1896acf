import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmd.config import Declarations
from mtmd.errors import BundleError, LogsError
from mtmd.logs.encoding import EncodedSide
from mtmd.logs.lists import EncodedList
from mtmd.model.scores import tree_log_probability as torch_tree
from mtmd.serve.ranker import embed_requests
from mtmd.serve.scorer import Embeddings, Scorer, first_best, tree_log_probability
from tests.serve.plain import embed_ads

A, B = "a" * 64, "b" * 64


def encoded(numbers: list[list[float]], ids: list[int] | None = None) -> EncodedSide:
    return EncodedSide(
        np.array(numbers, np.float32).reshape(-1, 2),
        np.array(ids or [0] * len(numbers), np.int32).reshape(-1, 1),
        np.zeros((len(numbers), 0), np.float32),
    )


@pytest.fixture
def scorer(bundle: Path) -> Scorer:
    return Scorer.load(bundle)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_scores_are_dot_products_through_the_task_tree(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([[1.0, 0.5], [0.0, -1.0]]))
    items = scorer.embed("item", "standard", encoded([[2.0, 1.0]]))
    log_p = scorer.score(queries, items, np.array([0, 1]), np.array([0, 0]))
    for row, logit in enumerate((2.5, -1.0)):
        ctr = log_sigmoid(logit)
        assert log_p[row].tolist() == pytest.approx([ctr, ctr + log_sigmoid(4 * logit)], rel=1e-6)


def test_a_task_that_the_product_lacks_is_nan(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([[1.0, 0.5]]))
    items = Embeddings.concatenate(
        [
            scorer.embed("item", "standard", encoded([[1.0, 1.0]])),
            scorer.embed("item", "shopping", encoded([[1.0, 1.0]])),
        ]
    )
    assert np.isnan(scorer.score(queries, items, np.array([0, 0]), np.array([0, 1]))).tolist() == [
        [False, False],
        [False, True],
    ]


def test_many_pairs_are_scored_in_pieces(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([[1.0, 0.0], [0.0, 1.0]]))
    items = scorer.embed("item", "standard", encoded([[3.0, -3.0]]))
    pair_query = np.arange(150_001) % 2
    log_p = scorer.score(queries, items, pair_query, np.zeros_like(pair_query))
    assert set(np.round(log_p[::2, 0], 4)) == {np.float32(round(log_sigmoid(3.0), 4))}
    assert set(np.round(log_p[1::2, 0], 4)) == {np.float32(round(log_sigmoid(-3.0), 4))}


def test_no_rows_give_no_embeddings(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([]))
    assert len(queries) == 0
    assert queries.tasks["octr"].shape == (0, 2)


def test_raw_rows_are_encoded_with_the_bundles_declarations(scorer: Scorer) -> None:
    raw = embed_requests(
        scorer, [{"surface": "search", "activity": 1.5, "depth": None, "country": "fr", "other": 1}]
    )
    assert raw.tasks["ctr"][0, 0] == 1.5
    assert np.isnan(raw.tasks["ctr"][0, 1])
    items = embed_ads(scorer, "shopping", [{"bid": 2.0, "age": 3.0}])
    assert items.tasks["ctr"].tolist() == [[2.0, 3.0]]
    with pytest.raises(LogsError, match="'activity'"):
        embed_requests(scorer, [{"surface": "search", "activity": "much"}])


def test_embeddings_of_another_bundle_are_refused(scorer: Scorer, make_bundle: Callable[..., Path]) -> None:
    other = Scorer.load(make_bundle(B))
    queries = scorer.embed("query", "search", encoded([[1.0, 0.5]]))
    items = other.embed("item", "standard", encoded([[1.0, 0.5]]))
    with pytest.raises(BundleError, match=f"bundle {B}, but this scorer has bundle {A}"):
        scorer.score(queries, items, np.array([0]), np.array([0]))
    with pytest.raises(BundleError, match=f"{A} with query embeddings of bundle {B}"):
        Embeddings.concatenate([queries, other.embed("query", "search", encoded([[1.0, 0.5]]))])


def test_embeddings_of_the_wrong_side_are_refused(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([[1.0, 0.5]]))
    with pytest.raises(BundleError, match="query embeddings were given where item embeddings belong"):
        scorer.score(queries, queries, np.array([0]), np.array([0]))


def test_files_that_are_not_the_bundles_are_refused(bundle: Path, make_bundle: Callable[..., Path]) -> None:
    def problem_with(content: bytes | None) -> str:
        file.unlink() if content is None else file.write_bytes(content)
        with pytest.raises(BundleError, match=r"item_standard\.onnx ") as error:
            Scorer.load(bundle)
        file.write_bytes(whole)
        return str(error.value)

    file = bundle / "item_standard.onnx"
    whole, other, altered = (
        (made / file.name).read_bytes() for made in (bundle, make_bundle(B), make_bundle(A, octr_scale=3.0))
    )
    assert f"belongs to bundle {B}, but {bundle} is bundle {A}" in problem_with(other)
    assert "has sha256" in problem_with(altered)
    assert "cannot be loaded" in problem_with(whole[:50])
    assert "is missing" in problem_with(None)
    with pytest.raises(BundleError, match="item domain 'video' is not in bundle"):
        Scorer.load(bundle).embed("item", "video", encoded([[0.0, 0.0]]))


@pytest.mark.parametrize("bad", [-1, 51])
def test_ids_outside_the_buckets_are_refused(scorer: Scorer, bad: int) -> None:
    with pytest.raises(BundleError, match=rf"'country' has id {bad}; it must be between 0 and 50"):
        scorer.embed("query", "search", encoded([[0.0, 0.0], [0.0, 0.0]], ids=[3, bad]))


def test_matrices_of_other_widths_are_refused(scorer: Scorer) -> None:
    rows = EncodedSide(np.zeros((1, 3), np.float32), np.zeros((1, 1), np.int32), np.zeros((1, 0), np.float32))
    with pytest.raises(BundleError, match=r"widths \(3, 1, 0\); the bundle's declarations want \(2, 1, 0\)"):
        scorer.embed("query", "search", rows)


@pytest.fixture
def listed_scorer(scorer: Scorer) -> Scorer:
    """Its surfaces have a list too, of at most two values, which the towers of this bundle do not read."""
    declarations = scorer.info.declarations
    words = {"name": "words", "side": "query", "kind": "categorical", "buckets": 50, "multi": True}
    content = declarations.model_dump()
    content["features"] = [*content["features"], words | {"max_length": 2}]
    info = scorer.info.model_copy(update={"declarations": Declarations.model_validate(content)})
    return Scorer(info, scorer._sessions)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2, 3], "'words' has a list of 3 values; its max_length is 2"),
        ([1, 51], "'words' has id 51; it must be between 1 and 50"),
        ([0], "'words' has id 0; it must be between 1 and 50"),
        (None, "query rows have 0 lists; the bundle's declarations want 1"),
    ],
)
def test_lists_of_other_declarations_are_refused(
    listed_scorer: Scorer, ids: list[int] | None, message: str
) -> None:
    rows = encoded([[0.0, 0.0]])
    if ids is not None:
        length = np.array([len(ids)], np.int32)
        rows = replace(
            rows, lists=(EncodedList(np.zeros(1, np.int64), length, np.array(ids, np.int32), None),)
        )
    with pytest.raises(BundleError, match=message):
        listed_scorer.embed("query", "search", rows)


def test_a_root_is_the_log_sigmoid_of_its_logit() -> None:
    logits = np.array([[0.0], [2.0], [-2.0]], np.float32)
    expected = [math.log(0.5), -math.log1p(math.exp(-2)), -math.log1p(math.exp(2))]
    assert tree_log_probability(logits, [None])[:, 0] == pytest.approx(expected, rel=1e-6)


def test_a_child_multiplies_its_parents_probability() -> None:
    logits = np.array([[0.0, 1.0, -1.0]], np.float32)
    p = np.exp(tree_log_probability(logits, [None, 0, 1]))[0]
    s = 1 / (1 + math.exp(-1))
    assert p == pytest.approx([0.5, 0.5 * s, 0.5 * s * (1 - s)], rel=1e-6)


def test_extreme_logits_stay_finite_and_warn_of_nothing() -> None:
    log_p = tree_log_probability(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), [None, 0])
    assert log_p.tolist() == [[0.0, -1e4], [-1e4, -1e4]]
    assert log_p.dtype == np.float32


def test_it_agrees_with_torch_to_float_tolerance() -> None:
    logits = np.random.default_rng(0).normal(scale=8, size=(500, 4)).astype(np.float32)
    parents = [None, 0, 0, 2]
    own = np.exp(tree_log_probability(logits, parents))
    assert np.abs(own - torch_tree(torch.from_numpy(logits), parents).exp().numpy()).max() <= 1e-6


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [1]), (2, [1, 3]), (3, [0, 1, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3, 4])]
)
def test_the_first_of_equal_scores_are_among_the_best(k: int, expected: list[int]) -> None:
    assert first_best(np.array([0.5, 0.9, 0.5, 0.9, 0.1], np.float32), k).tolist() == expected
