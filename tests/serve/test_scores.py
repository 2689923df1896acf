import math

import numpy as np
import pytest
import torch

from mtmd.model.scores import tree_log_probability as torch_tree
from mtmd.serve.scorer import first_best, tree_log_probability


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


def test_the_input_is_left_alone() -> None:
    logits = np.array([[0.5, 0.5]], np.float32)
    tree_log_probability(logits, [None, 0])
    assert logits.tolist() == [[0.5, 0.5]]


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
