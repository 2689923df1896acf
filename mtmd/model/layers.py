"""Layers: stacked feed-forward networks and low-rank crosses, several of a shape side by side; norms; pooling of lists.

Paper §2.1.3 (one layer is Linear → LayerNorm → LeakyReLU), §3.4 (pre- against post-norm), §2.1.5 (DCN v2), §2.1.2
(BatchNorm). Deviation: mean and variance of numbers are those of the whole window, observed before training, and not
those of the batch at hand; missing values are left out, and a normalised value is clipped at ± CLIP.
Shapes: E networks side by side, N rows, D input width, C crossed width, K rank, M numeric columns.
Of lists: E copies of a table, M rows of a table, w its width, N rows of a batch, L values of their lists.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.features import MultiValued
from mtmd.model.batch import ListInput

Norm = Literal["pre", "post", "none"]
Statistics = tuple[Tensor, Tensor, Tensor]

FEW_ROWS, FEW_MULTIPLE = 64, 16
ROW_MULTIPLE = 64
CROSS_GAIN = 0.3  # a cross starts near the identity
LOGIT_STD = 0.1  # of logits before training: predictions start at the base rate
EPSILON = 1e-10  # on a variance: columns with a standard deviation far below 1e-5 count as constant
CLIP = 10.0  # standard deviations: a value unlike anything seen must not swamp a row


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
        self.networks, self.norm, self.slope = networks, norm, slope
        self.activated = len(widths) if activate_last else len(widths) - 1
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.gains, self.shifts = nn.ParameterList(), nn.ParameterList()
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
    """Low-rank DCN v2, E crosses side by side: x_{l+1} = x_0 ⊙ (U_l V_lᵀ x_l + b_l) + x_l (paper §2.1.5).

    The first `full` layers are of full rank: W_l for U_l V_lᵀ.
    """

    def __init__(self, networks: int, width: int, layers: int, rank: int, full: int = 0) -> None:
        super().__init__()
        rank = min(rank, width)
        self.full = full
        self.down, self.up, self.biases = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for layer in range(full + layers):
            inputs = width if layer < full else rank
            down, up = torch.empty(networks, width, rank), torch.empty(networks, inputs, width)
            if layer >= full:
                he_uniform_(down, width, slope=1.0)  # slope 1: no activation in between
                self.down.append(nn.Parameter(down))
            he_uniform_(up, inputs, slope=1.0, gain=CROSS_GAIN)
            self.up.append(nn.Parameter(up))
            self.biases.append(nn.Parameter(torch.zeros(networks, 1, width)))

    def forward(self, x: Tensor) -> Tensor:
        """(E, N, C) → (E, N, C)"""
        start = x
        for layer, (up, bias) in enumerate(zip(self.up, self.biases, strict=True)):
            inner = x if layer < self.full else torch.bmm(x, self.down[layer - self.full])
            x = (start * torch.baddbmm(bias, inner, up)).add_(x)
        return x


class WindowNorm(nn.Module):
    """BatchNorm over the non-missing values of each column, without gain and shift; one per domain.

    A column with fewer than min_rows values says little about its spread: its mean square stands in for its variance,
    which is never smaller and so never blows a value up.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor  # sum of squared deviations from the mean

    def __init__(self, columns: int, min_rows: int) -> None:
        super().__init__()
        self.min_rows = min_rows
        for name in ("count", "mean", "squares"):
            self.register_buffer(name, torch.zeros(columns, dtype=torch.float64))

    def forward(self, x: Tensor, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """x (N, M) float32, seen (N, M) bool → (N, M), 0 where not seen.

        statistics: what frozen() returned earlier, for export.
        """
        centre, scale, shift = self.frozen() if statistics is None else statistics
        z = torch.clamp((x - centre) * scale + shift, -CLIP, CLIP)
        return torch.where(seen, z, 0.0)

    @torch.no_grad()
    def observe(self, x: Tensor, seen: Tensor) -> None:
        """Take in rows of the window, by the pairwise update of Chan, Golub and LeVeque (1979)."""
        values = torch.where(seen, x, 0.0).double()
        count = seen.sum(dim=0).double()
        mean = values.sum(dim=0) / count.clamp(min=1)
        squares = torch.where(seen, values - mean, 0.0).square().sum(dim=0)
        total = self.count + count
        share = count / total.clamp(min=1)
        step = mean - self.mean
        self.squares += squares + step.square() * self.count * share
        self.mean += step * share
        self.count.copy_(total)

    @torch.no_grad()
    def frozen(self) -> Statistics:
        """Centre, scale and shift, each (M,) float32; 0, 1 and 0 where no value was ever seen.

        (x − mean) / std as (x − centre) · scale + shift, even for means far above the spread: the centre is the mean in
        float32, so x − centre is exact where x is near it; the shift adds the rest.
        """
        spread = self.squares / self.count.clamp(min=1)
        variance = torch.where(self.count < self.min_rows, spread + self.mean.square(), spread)
        variance = torch.where(self.count == 0, 1.0, variance)
        scale = torch.rsqrt(variance.clamp(min=0.0) + EPSILON)
        centre = self.mean.float()
        return centre, scale.float(), ((centre.double() - self.mean) * scale).float()


def projection(inputs: int, outputs: int) -> nn.Linear:
    """The last linear layer, scaled so that a dot product of two such outputs has a spread near LOGIT_STD."""
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=math.sqrt(LOGIT_STD / math.sqrt(outputs) / inputs))
    nn.init.zeros_(linear.bias)
    return linear


class Attention(nn.Module):
    """W, b and q of one feature, in `copies` independent copies."""

    def __init__(self, copies: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(copies, width, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(copies, 1, width))
        self.query = nn.Parameter(torch.zeros(copies, width, 1))

    def forward(self, embedded: Tensor) -> Tensor:
        """(E, L, w), or (N, L, w) of one copy → scores (E, L), or (N, L)"""
        return (torch.tanh(embedded @ self.weight + self.bias) @ self.query).squeeze(2)


class ListPooling(nn.Module):
    """How the embeddings of a list become one: their mean, or attention; in `copies` independent copies.

        mean = Σ e_j / n        attention = Σ a_j e_j        a = softmax over j of q · tanh(W e_j + b)

    over the n values j of a row's list, whose embeddings are e_j. W, b and q are the feature's own, and learned. They
    do not look at the other side, so that a tower still runs once for a request. q starts at 0, so that attention
    starts as the mean. A list without a value is missing.
    """

    def __init__(self, feature: MultiValued, copies: int = 1) -> None:
        super().__init__()
        self.attention = Attention(copies, feature.width) if feature.pooling == "attention" else None

    def forward(self, table: Tensor, rows: Tensor, lists: ListInput, *, sparse: bool) -> Tensor:
        """table (M, w), rows (E, L) of it, and the N lists that they are of → (E, N, w), 0 of an empty list.

        With `sparse` the table's gradient has only the rows that were read.
        """
        if self.attention is None:
            return _means_of_lists(table, rows, lists, sparse=sparse)
        row = torch.repeat_interleave(lists.lengths)  # (L,) the batch's row of each value
        embedded = F.embedding(rows, table, sparse=sparse)  # (E, L, w)
        shares = _softmax_by_row(self.attention(embedded), row, len(lists.lengths))
        sums = embedded.new_zeros(len(embedded), len(lists.lengths), embedded.shape[2])
        return sums.index_add(1, row, embedded * shares[..., None])


def _means_of_lists(table: Tensor, rows: Tensor, lists: ListInput, *, sparse: bool) -> Tensor:
    """(E, N, w), faster than by gathering (E, L, w) first (docs/lab/decisions.md)."""
    copies, values = rows.shape
    shares = (1.0 / lists.lengths.to(table.dtype)).repeat_interleave(lists.lengths)  # (L,)
    starts = lists.lengths.cumsum(0) - lists.lengths
    first = values * torch.arange(copies, device=rows.device)[:, None]
    offsets = (starts + first).flatten()  # (E N,)
    sums = F.embedding_bag(
        rows.flatten(), table, offsets, mode="sum", per_sample_weights=shares.repeat(copies), sparse=sparse
    )
    return sums.view(copies, len(lists.lengths), table.shape[1])


def _softmax_by_row(scores: Tensor, row: Tensor, rows: int) -> Tensor:
    """Scores (E, L) → their shares of their rows' lists, which sum to 1."""
    with torch.no_grad():  # against overflow alone: it cancels out
        lowest = scores.new_full((len(scores), rows), -torch.inf)
        largest = lowest.scatter_reduce(1, row.expand_as(scores), scores, "amax")
    shares = torch.exp(scores - largest[:, row])
    total = scores.new_zeros(len(scores), rows).index_add(1, row, shares)
    return shares / total[:, row]
