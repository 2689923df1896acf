"""Stacked networks and low-rank crosses, against their equations."""

import pytest
import torch
from torch.nn import functional as F

from mtmd.model.layers import LowRankCross, Norm, Stack, affine, normalise


def test_a_cross_layer_follows_its_equation() -> None:
    cross = LowRankCross(networks=2, width=4, layers=1, rank=3)
    torch.nn.init.normal_(cross.biases[0])
    x = torch.randn(2, 5, 4)
    result = cross(x)
    for e in range(2):
        for n in range(5):
            inner = cross.up[0][e].T @ (cross.down[0][e].T @ x[e, n]) + cross.biases[0][e, 0]
            torch.testing.assert_close(result[e, n], x[e, n] * inner + x[e, n])


def test_no_cross_layer_is_the_identity() -> None:
    x = torch.randn(2, 5, 4)
    assert torch.equal(LowRankCross(2, 4, layers=0, rank=3)(x), x)


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_networks_of_a_stack_are_independent(norm: Norm) -> None:
    stack = Stack(3, 6, (5, 4), norm, 0.2)
    x = torch.randn(3, 7, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(stack(x)[1].square().sum(), x)
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2]].abs().sum() == 0


def test_a_stack_reads_one_input_for_all_networks() -> None:
    stack = Stack(3, 6, (5, 4), "pre", 0.2)
    x = torch.randn(7, 6)
    torch.testing.assert_close(stack(x), stack(x.repeat(3, 1, 1)))


def test_the_last_layer_stays_linear_on_request() -> None:
    stack = Stack(1, 6, (4,), "none", 0.0, activate_last=False)
    x = torch.randn(50, 6)
    torch.testing.assert_close(stack(x)[0], x @ stack.weights[0][0])
    assert (stack(x) < 0).any()


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_the_last_gain_scales_the_initial_output(norm: Norm) -> None:
    x = normalise(torch.randn(200, 32))
    outputs = []
    for gain in (1.0, 0.1):
        torch.manual_seed(0)
        outputs.append(Stack(2, 32, (16, 8), norm, 0.2, last_gain=gain)(x))
    torch.testing.assert_close(outputs[1], outputs[0] * 0.1, atol=1e-5, rtol=1e-4)


def test_normalise_has_float32_statistics_in_bfloat16() -> None:
    x = (torch.randn(10, 512) + 100).bfloat16()
    expected = F.layer_norm(x.float(), (512,))
    torch.testing.assert_close(normalise(x).float(), expected, atol=2e-2, rtol=1e-2)


def test_affine_keeps_the_precision_of_its_input() -> None:
    x = torch.randn(2, 3, 4).bfloat16()
    assert affine(x, torch.ones(2, 1, 4), torch.zeros(2, 1, 4)).dtype == torch.bfloat16
