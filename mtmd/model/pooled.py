"""One plain two-tower MLP of all rows, which MTMD is compared with; and the tower that all rivals are made of.

Towers use the experts' layer (LayerNorm before Linear, then LeakyReLU), the same field encoding and norm of numbers.
Shapes: E networks side by side, N rows, D columns, M of them numbers, T tasks.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, ModelConfig
from mtmd.config.model import RivalConfig
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from mtmd.model.layers import Stack, WindowNorm, normalise, pad_rows
from mtmd.model.ranker import (
    RankingModel,
    conditional_logits,
    pair_logits,
    tree_log_probability,
    without_gaps,
)

SLOPE = 0.2
LOGIT_STD = 0.1  # of a logit before training: predictions start at the base rate


class PlainTower(nn.Module):
    """E independent MLPs over the same fields: tables, learned defaults and weights of their own.

    The norm has no parameters, so sharing it among the networks couples nothing.
    """

    columns: Tensor

    def __init__(
        self,
        layout: FieldLayout,
        networks: int,
        tasks: int,
        config: RivalConfig,
        model: ModelConfig,
        owned: Owned,
        extra: int = 0,
    ) -> None:
        """Outputs of `tasks` embeddings side by side, from the fields and `extra` columns more.

        `owned` has the shared tables of the tower that was made before, as in FieldTables.
        """
        super().__init__()
        self.tables = FieldTables(layout, networks, owned)
        self.norm = WindowNorm(layout.numeric_width, model.norm_min_rows)
        self.default = nn.Parameter(torch.zeros(networks, 1, layout.width))
        self.register_buffer("columns", torch.tensor(layout.numeric_columns, dtype=torch.long), False)
        # The scale of the last He-initialised layer that gives a dot product a spread of LOGIT_STD.
        gain = math.sqrt(LOGIT_STD / math.sqrt(config.embedding) * (1.0 + SLOPE**2) / 2.0)
        widths = (*config.widths, tasks * config.embedding)
        inputs = layout.width + extra
        self.stack = Stack(networks, inputs, widths, "pre", SLOPE, activate_last=False, last_gain=gain)

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
        numbers = side.numbers[:, self.columns]
        return numbers, ~torch.isnan(numbers)


class Pooled(RankingModel):
    """One two-tower model of all rows: the surface and the product are one-hot inputs, the tasks are heads.

    One norm and one set of defaults for all domains, a shared trunk per tower with one embedding per
    task, a bias per (domain, task), and MTMD's task tree: pooling and multi-task learning without experts.
    """

    def __init__(self, declarations: Declarations, config: RivalConfig, model: ModelConfig) -> None:
        super().__init__()
        domains, owned = declarations.domains, Owned()
        tasks = len(domains.tasks)
        self.parents = domains.parents
        self.widths = (config.embedding,) * tasks
        self.query, self.item = (
            PlainTower(FieldLayout(side), 1, tasks, config, model, owned, extra=len(side.domains))
            for side in (declarations.query, declarations.item)
        )
        self.bias = nn.Parameter(torch.zeros(len(domains.domains), tasks))

    def forward(self, batch: Batch) -> Tensor:
        query = self.query(batch.query, batch.query.one_hot).squeeze(0)
        item = self.item(batch.item, batch.item.one_hot).squeeze(0)
        logits = pair_logits(query, item, batch.pair_query, batch.pair_item, self.widths)
        return tree_log_probability(logits + F.embedding(batch.pair_domain, self.bias), self.parents)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        self.bias.copy_(without_gaps(conditional_logits(base_rates, self.parents)))
