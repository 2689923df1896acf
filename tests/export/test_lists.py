"""Lists from raw values to embeddings: whatever their length, the files compute what torch does."""

from typing import Any

import numpy as np
import pytest
import torch

from mtmd.export.parity import BATCH_SIZES, side_input
from mtmd.serve.scorer import Scorer


def query(words: list[str], topics: list[int]) -> dict[str, Any]:
    return {"words": words, "recent_topics": topics}


EMPTY = query([], [])
ONE = query(["word 1"], [4])
FULL = query(["word 1", "word 2", "word 1", "word 3"], [1, 2, 3])
OVERLONG = query([*FULL["words"], "word 4", "word 5"], [1, 2, 3, *range(20)])


@pytest.mark.parametrize("rows", BATCH_SIZES)
def test_files_compute_what_torch_does_for_lists_of_any_length(exported: Any, rows: int) -> None:
    raw = [[EMPTY, ONE, FULL, OVERLONG, {}][row % 5] for row in range(5, 5 + rows)]
    scorer = Scorer.load(exported.directory)
    encoded = scorer.encode(raw, "query")
    with torch.inference_mode():
        expected = exported.model.embed_queries(side_input(encoded, 1, 2))
    embedded = scorer.embed("query", "search", encoded)
    for task, own in zip(scorer.tasks, expected, strict=True):
        assert np.abs(embedded.tasks[task] - own.numpy()).max() <= 2e-6
