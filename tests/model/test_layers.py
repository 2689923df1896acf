"""Stacked networks and low-rank crosses, against their equations."""

import pytest
import torch
from torch.nn import functional as F

from mtmd.model.layers import Norm, Stack, affine, normalise


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
