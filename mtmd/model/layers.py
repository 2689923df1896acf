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


def he_uniform_(weight: Tensor, inputs: int, slope: float, gain: float = 1.0) -> None:
    """Fill `weight` so that a LeakyReLU layer with `inputs` inputs keeps its input's scale, times `gain`."""
    bound = gain * math.sqrt(6.0 / ((1.0 + slope**2) * inputs))
    with torch.no_grad():
        weight.uniform_(-bound, bound)


def normalise(x: Tensor) -> Tensor:
    """LayerNorm over the last dimension, without gain and shift; statistics are float32 at any precision."""
    return F.layer_norm(x, x.shape[-1:])


def first_linear(inputs: int, outputs: int, slope: float, gain: float = 1.0) -> nn.Linear:
    """The fused first layers of networks that read the same input: y = W x + b, initialised for LeakyReLU."""
    linear = nn.Linear(inputs, outputs)
    he_uniform_(linear.weight, inputs, slope, gain)
    nn.init.zeros_(linear.bias)
    return linear


class Stack(nn.Module):
    """E feed-forward networks of one shape, from the output of their first linear layer to their end.

    With a_i the output of linear layer i (a_0 is given) and LN a LayerNorm:

        norm = "post":  h_i = LeakyReLU(γ_i · LN(a_i) + β_i),   a_{i+1} = W_i h_i + b_i
        norm = "pre":   h_i = LeakyReLU(a_i),                   a_{i+1} = W_i LN(h_i) + b_i
        norm = "none":  h_i = LeakyReLU(a_i),                   a_{i+1} = W_i h_i + b_i

    The result is the last h, or the last a where `activate_last` is false. A pre-norm needs no γ and β: the
    linear layer after it absorbs them. `last_gain` scales the last layer's initial output.
    """

    def __init__(
        self,
        networks: int,
        widths: Sequence[int],
        norm: Norm,
        slope: float,
        *,
        activate_last: bool = True,
        last_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.slope = slope
        self.activated = len(widths) if activate_last else len(widths) - 1
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            weight = torch.empty(networks, inputs, outputs)
            he_uniform_(weight, inputs, slope, last_gain if layer == len(widths) - 2 else 1.0)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(networks, 1, outputs)))
        self.gains = nn.ParameterList()
        self.shifts = nn.ParameterList()
        if norm == "post":
            for layer, width in enumerate(widths[: self.activated]):
                gain = last_gain if layer == len(widths) - 1 else 1.0
                self.gains.append(nn.Parameter(torch.full((networks, 1, width), gain)))
                self.shifts.append(nn.Parameter(torch.zeros(networks, 1, width)))

    def forward(self, a: Tensor) -> Tensor:
        """a (E, N, widths[0]): the first linear layer's output. Returns (E, N, widths[-1])."""
        for layer in range(len(self.weights) + 1):
            if layer < self.activated:
                if self.norm == "post":
                    a = torch.addcmul(self.shifts[layer], normalise(a), self.gains[layer])
                a = F.leaky_relu(a, self.slope)
            if layer < len(self.weights):
                if self.norm == "pre":
                    a = normalise(a)
                a = torch.baddbmm(self.biases[layer], a, self.weights[layer])  # (E, N, widths[layer + 1])
        return a


class LowRankCross(nn.Module):
    """Low-rank DCN v2, E crosses side by side: x_{l+1} = x_0 ⊙ (U_l V_lᵀ x_l + b_l) + x_l (paper §2.1.5)."""

    def __init__(self, networks: int, width: int, layers: int, rank: int) -> None:
        super().__init__()
        rank = min(rank, width)
        self.down = nn.ParameterList()
        self.up = nn.ParameterList()
        self.biases = nn.ParameterList()
        for _ in range(layers):
            for weights, shape in ((self.down, (width, rank)), (self.up, (rank, width))):
                weight = torch.empty(networks, *shape)
                he_uniform_(weight, shape[0], 1.0)  # slope 1: no activation in between
                weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(networks, 1, width)))

    def forward(self, x: Tensor) -> Tensor:
        """(E, N, C) → (E, N, C)"""
        start = x
        for down, up, bias in zip(self.down, self.up, self.biases, strict=True):
            x = torch.addcmul(x, start, torch.baddbmm(bias, torch.bmm(x, down), up))
        return x
