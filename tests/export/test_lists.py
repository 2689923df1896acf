"""Lists from raw values to embeddings: whatever their length, the files compute what torch does."""

from typing import Any

import numpy as np
import pytest
import torch

from mtmd.export.parity import BATCH_SIZES
from mtmd.export.rows import hard_rows, side_input
from mtmd.serve.scorer import Scorer

EMPTY: dict[str, Any] = {"words": [], "word_weights": [], "recent_topics": []}
ONE: dict[str, Any] = {"words": ["word 1"], "word_weights": [0.5], "recent_topics": [4]}
FULL: dict[str, Any] = {
    "words": ["a", "b", "a", "c"],
    "word_weights": [1.0, 0.0, 2.0, 0.25],
    "recent_topics": [1, 2, 3],
}
OVERLONG: dict[str, Any] = {
    "words": [*FULL["words"], "d", "e"],
    "word_weights": [*FULL["word_weights"], 9.0, 9.0],
    "recent_topics": [*FULL["recent_topics"], *range(50)],
}
UNWEIGHTED: dict[str, Any] = {"words": ["a", "b"], "word_weights": [0.0, 0.0]}


@pytest.mark.parametrize("rows", BATCH_SIZES)
def test_files_compute_what_torch_does_for_lists_of_any_length(exported: Any, rows: int) -> None:
    raw = [[EMPTY, ONE, FULL, OVERLONG, UNWEIGHTED, {}][row % 6] for row in range(5, 5 + rows)]
    scorer = Scorer.load(exported.directory)
    encoded = scorer.encode(raw, "query")
    with torch.inference_mode():
        expected = exported.model.embed_queries(side_input(encoded, 1, 2))
    embedded = scorer.embed("query", "search", encoded)
    for task, own in zip(scorer.tasks, expected, strict=True):
        assert np.abs(embedded.tasks[task] - own.numpy()).max() <= 2e-6


def test_values_behind_max_length_and_of_weight_0_change_nothing(exported: Any) -> None:
    scorer = Scorer.load(exported.directory)
    unread = {**FULL, "words": ["a", "x", "a", "c"]}
    embedded = scorer.embed("query", "search", scorer.encode([FULL, OVERLONG, unread], "query")).tasks["ctr"]
    assert np.abs(embedded - embedded[0]).max() <= 1e-6


def test_lists_without_a_value_or_a_weight_are_missing(exported: Any) -> None:
    scorer = Scorer.load(exported.directory)
    rows = [{}, EMPTY, UNWEIGHTED, ONE]
    embedded = scorer.embed("query", "search", scorer.encode(rows, "query")).tasks["ctr"]
    assert np.abs(embedded[:3] - embedded[0]).max() <= 1e-6
    assert np.abs(embedded[3] - embedded[0]).max() > 1e-4


def test_a_surface_that_lacks_a_list_does_not_read_it(exported: Any) -> None:
    scorer = Scorer.load(exported.directory)
    rows = [{"words": ["a"], "word_weights": [1.0]}, {}]
    embedded = scorer.embed("query", "home_feed", scorer.encode(rows, "query")).tasks["ctr"]
    assert np.abs(embedded[0] - embedded[1]).max() <= 1e-6


def test_hard_rows_have_empty_short_and_full_lists_with_both_ends_of_the_table(exported: Any) -> None:
    words, topics = hard_rows(exported.preset.declarations.query, 31).lists
    assert words.length[:7].tolist() == [0, 1, 4, 3, 2, 1, 4]
    assert topics.length[:5].tolist() == [0, 1, 3, 2, 1]
    assert (words.ids.min(), words.ids.max()) == (1, 60)
    assert words.weights is not None
    assert words.weights[:6].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 0.0]
    assert topics.weights is None
