"""A plain tower: an MLP over a row's fields, or several with nothing in common, side by side.

It uses the experts' layer (LayerNorm before Linear, then LeakyReLU), the same field encoding and norm of numbers.
Shapes: E networks side by side, N rows, D columns, M of them numbers.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtmd.model.batch import SideInput
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from mtmd.model.layers import LOGIT_STD, Stack, WindowNorm, normalise, pad_rows

SLOPE = 0.2


class PlainTower(nn.Module):
    """E independent MLPs over the same fields: tables, learned defaults and weights of their own.

    The norm has no parameters, so sharing it among the networks couples nothing.
    """

    def __init__(
        self,
        layout: FieldLayout,
        networks: int,
        tasks: int,
        widths: Sequence[int],
        embedding: int,
        min_rows: int,
        owned: Owned,
        extra: int = 0,
    ) -> None:
        """Hidden layers of `widths`, then `tasks` embeddings side by side, from the fields and `extra` columns more.

        `min_rows` is as in WindowNorm; `owned` has the shared tables of the tower that was made before, as in
        FieldTables.
        """
        super().__init__()
        self.tables = FieldTables(layout, networks, owned)
        self.norm = WindowNorm(layout.numeric_width, min_rows)
        self.default = nn.Parameter(torch.zeros(networks, 1, layout.width))
        self.layout = layout
        # The scale of the last He-initialised layer that gives a dot product a spread of LOGIT_STD.
        gain = math.sqrt(LOGIT_STD / math.sqrt(embedding) * (1.0 + SLOPE**2) / 2.0)
        layers = (*widths, tasks * embedding)
        inputs = layout.width + extra
        self.stack = Stack(networks, inputs, layers, "pre", SLOPE, activate_last=False, last_gain=gain)

    def forward(self, side: SideInput, extra: Tensor | None = None) -> Tensor:
        """N rows, and optionally further columns (N, X) → (E, N, outputs); side.counts is not read."""
        with torch.autocast(side.continuous.device.type, enabled=False):
            x = normalise(self.fields(side, extra))
        output: Tensor = self.stack(pad_rows(x) if self.training else x)
        return output[:, : x.shape[1]]

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window for the norm's statistics, and for the values' counts, as often as `times` (N,) says."""
        self.tables.observe(side, times)
        self.norm.observe(*self._numbers(side))

    def fields(self, side: SideInput, extra: Tensor | None = None) -> Tensor:
        """(E, N, D) normalised numbers, embeddings and further columns, with defaults for what is missing."""
        networks = self.default.shape[0]
        numbers, seen = self._numbers(side)
        start = numbers.shape[1]
        parts = [torch.where(seen, self.norm(numbers, seen), self.default[:, :, :start])]  # (E, N, M)
        for values, known in self.tables(side):  # (E, N, k, w), (N, k)
            k, w = values.shape[2:]
            default = self.default[:, :, start : start + k * w].view(networks, 1, k, w)
            parts.append(torch.where(known.unsqueeze(2), values, default).flatten(2))
            start += k * w
        if extra is not None:
            parts.append(extra.expand(networks, -1, -1))
        return torch.cat(parts, dim=2)

    def _numbers(self, side: SideInput) -> tuple[Tensor, Tensor]:
        """(N, M) float32, and which are there."""
        numbers = self.layout.numbers(side.numbers)
        return numbers, ~torch.isnan(numbers)
