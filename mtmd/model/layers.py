"""Layers that several networks of the same shape share: stacked feed-forward networks and low-rank crosses.

Paper §2.1.3 (one layer is Linear → LayerNorm → LeakyReLU), §3.4 (pre- against post-norm), §2.1.5 (DCN v2).
Shapes: E networks side by side, N rows, D input width, C crossed width, K rank.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["pre", "post", "none"]

FEW_ROWS, FEW_MULTIPLE = 64, 16
ROW_MULTIPLE = 64
CROSS_GAIN = 0.3  # a cross starts near the identity


def he_uniform_(weight: Tensor, inputs: int, slope: float, gain: float = 1.0) -> None:
    """Fill `weight` so that a LeakyReLU layer with `inputs` inputs keeps its input's scale, times `gain`."""
    bound = gain * math.sqrt(6.0 / ((1.0 + slope**2) * inputs))
    with torch.no_grad():
        weight.uniform_(-bound, bound)


def normalise(x: Tensor) -> Tensor:
    """LayerNorm over the last dimension, without gain and shift; statistics are float32 at any precision."""
    return F.layer_norm(x, x.shape[-1:])


def pad_rows(x: Tensor) -> Tensor:
    """Zero rows after the last of (…, N, D), up to the next multiple of ROW_MULTIPLE; of FEW_MULTIPLE for few rows.

    Batches differ in rows per domain, and a bfloat16 product of a shape that was not seen before makes oneDNN
    compile a kernel: most of a training step. With padding the same few shapes come back. Callers cut the
    result to N rows; no layer after the adaptation mixes rows.
    """
    rows = x.shape[-2]
    return F.pad(x, (0, 0, 0, -rows % (FEW_MULTIPLE if rows <= FEW_ROWS else ROW_MULTIPLE)))


def affine(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """gain ⊙ x + shift, in the precision of x; addcmul would cost one pass more in backward."""
    return (x * gain.to(x.dtype)).add_(shift.to(x.dtype))


class Stack(nn.Module):
    """E feed-forward networks of one shape, side by side: every layer is one batched product.

    With h_0 = x, LN a LayerNorm, and W_i, b_i of each network on its own:

        norm = "pre":   h_i = LeakyReLU(W_i LN(h_{i-1}) + b_i)
        norm = "post":  h_i = LeakyReLU(γ_i ⊙ LN(W_i h_{i-1} + b_i) + β_i)
        norm = "none":  h_i = LeakyReLU(W_i h_{i-1} + b_i)

    A pre-norm needs no γ and β: the linear layer after it absorbs them. The caller applies the first one,
    since several stacks read the same input. Without `activate_last` the last layer is only its linear part.
    `last_gain` scales the initial output.
    """

    def __init__(
        self,
        networks: int,
        inputs: int,
        widths: Sequence[int],
        norm: Norm,
        slope: float,
        *,
        activate_last: bool = True,
        last_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.networks = networks
        self.norm = norm
        self.slope = slope
        self.activated = len(widths) if activate_last else len(widths) - 1
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.gains = nn.ParameterList()
        self.shifts = nn.ParameterList()
        for layer, (width_in, width) in enumerate(itertools.pairwise((inputs, *widths))):
            gain = last_gain if layer == len(widths) - 1 else 1.0
            weight = torch.empty(networks, width_in, width)
            post = norm == "post" and layer < self.activated
            he_uniform_(weight, width_in, slope, 1.0 if post else gain)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(networks, 1, width)))
            if post:
                self.gains.append(nn.Parameter(torch.full((networks, 1, width), gain)))
                self.shifts.append(nn.Parameter(torch.zeros(networks, 1, width)))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, D) for all or (E, N, D) → (E, N, widths[-1]); with norm "pre", x is normalised already."""
        h = x.expand(self.networks, *x.shape[-2:])
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self.norm == "pre" and layer:
                h = normalise(h)
            h = torch.baddbmm(bias, h, weight)  # (E, N, widths[layer])
            if layer < self.activated:
                if self.norm == "post":
                    h = affine(normalise(h), self.gains[layer], self.shifts[layer])
                h = F.leaky_relu(h, self.slope, inplace=True)
        return h


class LowRankCross(nn.Module):
    """Low-rank DCN v2, E crosses side by side: x_{l+1} = x_0 ⊙ (U_l V_lᵀ x_l + b_l) + x_l (paper §2.1.5)."""

    def __init__(self, networks: int, width: int, layers: int, rank: int) -> None:
        super().__init__()
        rank = min(rank, width)
        self.down = nn.ParameterList()
        self.up = nn.ParameterList()
        self.biases = nn.ParameterList()
        for _ in range(layers):
            down, up = torch.empty(networks, width, rank), torch.empty(networks, rank, width)
            he_uniform_(down, width, slope=1.0)  # slope 1: no activation in between
            he_uniform_(up, rank, slope=1.0, gain=CROSS_GAIN)
            self.down.append(nn.Parameter(down))
            self.up.append(nn.Parameter(up))
            self.biases.append(nn.Parameter(torch.zeros(networks, 1, width)))

    def forward(self, x: Tensor) -> Tensor:
        """(E, N, C) → (E, N, C)"""
        start = x
        for down, up, bias in zip(self.down, self.up, self.biases, strict=True):
            y = torch.baddbmm(bias, torch.bmm(x, down), up)
            x = (start * y).add_(x)
        return x
