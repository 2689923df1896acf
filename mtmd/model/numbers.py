"""Numbers that are read as embeddings, by bins of the window's values instead of by their norm.

    bins       e = E_t, where bin t has x
    piecewise  e = b + Σ_t W_t clip((x − low_t) / (high_t − low_t), 0, 1)

`piecewise` is the piecewise-linear encoding of Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features in
Tabular Deep Learning (2022, arXiv 2203.05556), and a linear layer after it. E, W and b are the feature's own, learned
and shared by the domains of a tower, as embeddings of categories are. The edges are those of
`mtmd.model.quantiles` over the window's training rows; MTMD leaves out values of domains that lack the feature.

Deviations from that paper: its bins are plain quantiles, where a value that most rows have leaves few bins to others;
and its first and last bin have no end, where here a value outside reads what the nearest edge does, as the norm clips.
Shapes: E copies, N rows, C continuous features, k of them encoded alike, T bins, w width.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtmd.model.fields import EncodedNumbers
from mtmd.model.quantiles import LARGEST, ValueCounts


def encode(x: Tensor, low: Tensor, high: Tensor, inverse: Tensor | None = None) -> Tensor:
    """x (N, k), NaN for missing → what E, or W, is multiplied by: (N, k, T), without NaN.

    low and high (k, T): where each bin starts and ends; inverse (k, T), for piecewise alone: 1 / (high − low).
    """
    x = torch.where(x.isnan(), 0.0, x).clamp(-LARGEST, LARGEST).unsqueeze(2)
    if inverse is None:
        return ((x >= low) & (x < high)).to(x.dtype)
    return (torch.clamp(x, low, high) - low) * inverse


class NumberEncoding(nn.Module):
    """Features that are encoded alike, in `copies` independent copies that have the edges in common.

    A feature that has fewer bins than declared has infinite edges in the place of the others. All edges of a feature
    that the window never had are infinite.
    """

    edges: Tensor
    columns: Tensor

    def __init__(self, group: EncodedNumbers, copies: int = 1) -> None:
        super().__init__()
        self.encoding, count = group.encoding, len(group.features)
        self.register_buffer("columns", torch.tensor(group.columns), persistent=False)
        self.register_buffer("edges", torch.full((count, group.bins + 1), torch.inf))
        self._seen = [ValueCounts() for _ in group.features]
        # A field starts with about the spread of one standardised number. A row has one of its bins; piecewise adds up
        # those below the value, and the variance of such a path of T steps is T / 6 times that of a step.
        steps = 1.0 if self.encoding == "bins" else group.bins / 6.0
        self.weight = nn.Parameter(
            torch.randn(copies, count, group.bins, group.width) / math.sqrt(steps * group.width)
        )
        self.bias: nn.Parameter | None = None
        if self.encoding == "piecewise":
            self.bias = nn.Parameter(torch.zeros(copies, 1, count, group.width))

    @torch.no_grad()
    def observe(self, continuous: Tensor) -> None:
        """Rows of the window (N, C), NaN for missing, before training; their order does not matter."""
        for edges, seen, column in zip(self.edges, self._seen, self.columns.tolist(), strict=True):
            values = continuous[:, column]
            seen.add(values[~values.isnan()].float().cpu().numpy())
            found = torch.from_numpy(seen.edges(len(edges) - 1, closed=self.encoding == "piecewise"))
            edges.fill_(torch.inf)[: len(found)] = found

    def forward(self, continuous: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C), NaN for missing → embeddings (E, N, k, w), and which are known (N, k)."""
        x = continuous.index_select(1, self.columns)
        known = ~x.isnan() & self.seen
        encoded = encode(x, *self.pieces())
        values = (encoded.transpose(0, 1) @ self.weight).transpose(1, 2)  # (E, k, N, w) → (E, N, k, w)
        return values if self.bias is None else values + self.bias, known

    @property
    def seen(self) -> Tensor:
        """(k,) bool: whether the window has any value."""
        return self.edges[:, 0].isfinite()

    @torch.no_grad()
    def pieces(self) -> tuple[Tensor, ...]:
        """What `encode` takes besides x, each (k, T), of the edges as they are now."""
        low, high = self.edges[:, :-1].clone(), self.edges[:, 1:].clone()
        if self.encoding == "bins":
            low[:, 0] = -torch.inf
            return low, high
        real = high.isfinite()
        low, high = torch.where(real, low, 0.0), torch.where(real, high, 0.0)
        width = (high.double() - low.double()).clamp(min=1.0 / LARGEST)
        return low, high, torch.where(real, 1.0 / width, 0.0).to(low.dtype)


class NumberEncodings(nn.Module):
    """All encoded numbers of a layout, in `copies` independent copies."""

    def __init__(self, groups: Sequence[EncodedNumbers], copies: int = 1) -> None:
        super().__init__()
        self.groups = nn.ModuleList(NumberEncoding(group, copies) for group in groups)

    def observe(self, continuous: Tensor) -> None:
        """Rows of the window, before training, as in NumberEncoding."""
        for group in self.groups:
            group.observe(continuous)  # type: ignore[operator]

    def forward(self, continuous: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(N, C) → per group of the layout: embeddings (E, N, k, w) and known (N, k), as FieldTables has them."""
        return [group(continuous) for group in self.groups]
