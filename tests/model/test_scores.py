"""Probabilities along the task tree, and dot products of pairs."""

import math

import pytest
import torch

from mtmd.model.ranker import CHUNK, conditional_logits, log1mexp, pair_logits, tree_log_probability

PARENTS = (None, 0, 0)


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@pytest.mark.parametrize("logit", [-100.0, -40.0, 40.0, 100.0])
def test_extreme_logits_give_finite_scores_and_the_exact_gradient(logit: float) -> None:
    logits = torch.full((1, 3), logit, requires_grad=True)
    log_p = tree_log_probability(logits, PARENTS)
    log_p.sum().backward()
    expected = -math.log1p(math.exp(-logit)) if logit > -700 else logit
    assert log_p[0].tolist() == pytest.approx([expected, 2 * expected, 2 * expected], rel=1e-6, abs=1e-37)
    rest = 1.0 - sigmoid(logit) if logit < 0 else math.exp(-logit) / (1 + math.exp(-logit))
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([3 * rest, rest, rest], rel=1e-5, abs=1e-37)


@pytest.mark.parametrize("x", [-1e-20, -1e-7, -1e-3, -0.5, -0.6931, -0.6932, -5.0, -40.0, -80.0])
def test_log1mexp_and_its_gradient_are_exact(x: float) -> None:
    value = torch.tensor(x, requires_grad=True)
    result = log1mexp(value)
    result.backward()
    assert result.item() == pytest.approx(math.log(-math.expm1(x)), rel=2e-6)
    assert value.grad is not None
    assert value.grad.item() == pytest.approx(-1.0 / math.expm1(-x), rel=2e-6, abs=1e-37)


def test_base_rates_become_logits_given_the_parent() -> None:
    rates = torch.tensor([[0.2, 0.1, torch.nan], [0.5, 0.5, 0.0], [0.5, 0.6, 0.1]])
    logits = conditional_logits(rates, PARENTS)
    assert logits[0, :2].tolist() == pytest.approx([math.log(0.2 / 0.8), 0.0], abs=1e-6)
    assert logits[0, 2].isnan()
    assert logits[1].tolist() == pytest.approx([0.0, math.log(1e6 - 1), -math.log(1e6 - 1)], abs=1e-3)
    assert logits[2, :2].tolist() == [0.0, 0.0]  # more often than its parent: of other rows


@pytest.mark.parametrize("pairs", [0, 1, CHUNK, 2 * CHUNK + 3])
def test_pair_logits_and_gradients_equal_those_of_a_plain_gather(pairs: int) -> None:
    torch.manual_seed(0)
    widths = (5, 3)
    query, item = torch.randn(7, 8, requires_grad=True), torch.randn(9, 8, requires_grad=True)
    pair_query, pair_item = torch.randint(7, (pairs,)), torch.randint(9, (pairs,))
    weight = torch.randn(pairs, 2)
    product = query[pair_query] * item[pair_item]
    plain = torch.stack([product[:, :5].sum(1), product[:, 5:].sum(1)], dim=1)
    expected = torch.autograd.grad((plain * weight).sum(), (query, item))
    logits = pair_logits(query, item, pair_query, pair_item, widths)
    actual = torch.autograd.grad((logits * weight).sum(), (query, item))
    torch.testing.assert_close(logits, plain)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-5)
