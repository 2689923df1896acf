import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtmd.errors import BundleError
from mtmd.logs.encoding import EncodedSide
from mtmd.serve.scorer import Scorer, tree_log_probability

A, B = "a" * 64, "b" * 64


def encoded(numbers: list[list[float]]) -> EncodedSide:
    return EncodedSide(
        np.array(numbers, np.float32).reshape(-1, 2),
        np.zeros((len(numbers), 1), np.int32),
        np.zeros((len(numbers), 0), np.float32),
    )


@pytest.fixture
def scorer(bundle: Path) -> Scorer:
    return Scorer.load(bundle)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_scores_are_dot_products_through_the_task_tree(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([[1.0, 0.5], [0.0, -1.0]]))
    items = scorer.embed_rows("item", np.array([1, 0]), encoded([[1.0, 1.0], [2.0, 1.0]]), at_once=1)
    log_p = scorer.score(queries, items, np.array([0, 1, 0]), np.array([1, 1, 0]))
    for row, logit in enumerate((2.5, -1.0)):
        ctr = log_sigmoid(logit)
        assert log_p[row].tolist() == pytest.approx([ctr, ctr + log_sigmoid(4 * logit)], rel=1e-6)
    assert np.isnan(log_p[2]).tolist() == [False, True]  # shopping lacks octr


def test_many_pairs_are_scored_in_pieces(scorer: Scorer) -> None:
    queries = scorer.embed("query", "search", encoded([[1.0, 0.0], [0.0, 1.0]]))
    items = scorer.embed("item", "standard", encoded([[3.0, -3.0]]))
    pair_query = np.arange(150_001) % 2
    log_p = scorer.score(queries, items, pair_query, np.zeros_like(pair_query))
    assert set(np.round(log_p[::2, 0], 4)) == {np.float32(round(log_sigmoid(3.0), 4))}
    assert set(np.round(log_p[1::2, 0], 4)) == {np.float32(round(log_sigmoid(-3.0), 4))}


def test_rows_of_any_domains_keep_their_order_and_no_rows_give_no_embeddings(scorer: Scorer) -> None:
    rows = encoded([[float(n), 0.0] for n in range(7)])
    embedded = scorer.embed_rows("query", np.array([1, 0, 1, 1, 0, 0, 1], np.int8), rows, at_once=2)
    assert embedded.tasks["ctr"][:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert embedded.domain.tolist() == [1, 0, 1, 1, 0, 0, 1]
    assert scorer.embed_rows("query", np.empty(0, np.int64), encoded([])).tasks["octr"].shape == (0, 2)


def test_files_that_are_not_the_bundles_are_refused(bundle: Path, make_bundle: Callable[..., Path]) -> None:
    file = bundle / "item_standard.onnx"
    whole = file.read_bytes()
    for content in ((make_bundle(B) / file.name).read_bytes(), whole[:50]):
        file.write_bytes(content)
        with pytest.raises(BundleError, match=r"item_standard\.onnx is .* needs it with sha256"):
            Scorer.load(bundle)
    file.unlink()
    with pytest.raises(BundleError, match=r"item_standard\.onnx is missing"):
        Scorer.load(bundle)
    file.write_bytes(whole)
    with pytest.raises(BundleError, match="item domain 'video' is not in bundle"):
        Scorer.load(bundle).embed("item", "video", encoded([[0.0, 0.0]]))


def test_a_child_multiplies_its_parents_probability_and_extremes_stay_finite() -> None:
    p = np.exp(tree_log_probability(np.array([[0.0, 1.0, -1.0]], np.float32), [None, 0, 1]))[0]
    s = 1 / (1 + math.exp(-1))
    assert p == pytest.approx([0.5, 0.5 * s, 0.5 * s * (1 - s)], rel=1e-6)
    log_p = tree_log_probability(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), [None, 0])
    assert (log_p.tolist(), log_p.dtype) == ([[0.0, -1e4], [-1e4, -1e4]], np.float32)
