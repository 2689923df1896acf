"""Stacked networks and norms of numbers, against their equations."""

import pytest
import torch
from torch.nn import functional as F

from mtmd.model.layers import Norm, Stack, WindowNorm, affine, normalise


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_the_last_gain_scales_the_initial_output(norm: Norm) -> None:
    x = normalise(torch.randn(200, 32))
    outputs = []
    for gain in (1.0, 0.1):
        torch.manual_seed(0)
        outputs.append(Stack(2, 32, (16, 8), norm, 0.2, last_gain=gain)(x))
    torch.testing.assert_close(outputs[1], outputs[0] * 0.1, atol=1e-5, rtol=1e-4)


def test_layer_norms_keep_bfloat16_and_have_float32_statistics() -> None:
    x = (torch.randn(10, 512) + 100).bfloat16()
    torch.testing.assert_close(normalise(x).float(), F.layer_norm(x.float(), (512,)), atol=2e-2, rtol=1e-2)
    assert affine(x, torch.ones(512), torch.zeros(512)).dtype == torch.bfloat16


def seen(norm: WindowNorm, *batches: torch.Tensor) -> WindowNorm:
    for x in batches:
        norm.observe(x, ~x.isnan())
    return norm


def test_a_large_mean_loses_no_precision_and_few_values_have_their_mean_square_as_variance() -> None:
    torch.manual_seed(0)
    x = (torch.randn(5000, 1).double() + 1e4).float()
    expected = (x.double() - x.double().mean()) / x.double().std(correction=0)
    norm = seen(WindowNorm(1, min_rows=32), *x.split(300))
    torch.testing.assert_close(norm(x, ~x.isnan()).double(), expected, atol=1e-5, rtol=1e-5)
    few = seen(WindowNorm(1, min_rows=4), torch.tensor([[5.0]]))
    assert few(torch.tensor([[7.0]]), torch.tensor([[True]])).item() == pytest.approx(2 / 5)
