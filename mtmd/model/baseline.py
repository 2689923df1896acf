"""One two-tower MLP per slice (paper §3.2), which MTMD is compared with, and the tower that all rivals are made of.

Towers use the experts' layer (LayerNorm before Linear, then LeakyReLU), the same field encoding and norm of numbers.
Shapes: E networks side by side, N rows, D columns, R requests, A ads, P pairs, T tasks, K embedding.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, ModelConfig, TwoTowerConfig
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from mtmd.model.layers import Norm, Stack, normalise, pad_rows
from mtmd.model.norms import number_norm
from mtmd.model.ranker import RankingModel
from mtmd.model.scores import conditional_logits, without_gaps

NORM: Norm = "pre"
SLOPE = 0.2
LOGIT_STD = 0.1  # of a logit before training: predictions start at the base rate
ABSENT = math.log(0.5)  # stands where a task does not exist in a pair's domain


class PlainTower(nn.Module):
    """E independent MLPs over the same fields: tables, learned defaults and weights of their own.

    The norm has no parameters, so sharing it among the networks couples nothing.
    """

    columns: Tensor
    always_padded = False  # as in training, also in evaluation mode

    def __init__(
        self,
        layout: FieldLayout,
        networks: int,
        outputs: int,
        widths: Sequence[int],
        model: ModelConfig,
        *,
        owned: Owned,
        extra: int = 0,
        gain: float = 1.0,
    ) -> None:
        """`owned` has the shared tables of the tower that was made before, as in FieldTables."""
        super().__init__()
        self.tables = FieldTables(layout, networks, owned)
        self.norm = number_norm(layout.numeric_width, model)
        self.default = nn.Parameter(torch.zeros(networks, 1, layout.width))
        self.register_buffer("columns", torch.tensor(layout.numeric_columns, dtype=torch.long), False)
        self.stack = Stack(
            networks,
            layout.width + extra,
            (*widths, outputs),
            NORM,
            SLOPE,
            activate_last=False,
            last_gain=gain,
        )

    def forward(self, side: SideInput, extra: Tensor | None = None) -> Tensor:
        """N rows, and optionally further columns (N, X) → (E, N, outputs); side.counts is not read."""
        with torch.autocast(side.continuous.device.type, enabled=False):
            x = normalise(self._fields(side, extra))
        output: Tensor = self.stack(pad_rows(x) if self.training or self.always_padded else x)
        return output[:, : x.shape[1]]

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window for the norm's statistics, and for the values' counts, as often as `times` (N,) says."""
        self.tables.observe(side.categorical, side.lists, times)
        self.norm.observe(*self._numbers(side))

    def _numbers(self, side: SideInput) -> tuple[Tensor, Tensor]:
        """(N, M) float32, and which are there."""
        numbers = torch.cat([side.continuous, side.embedding], dim=1)[:, self.columns]
        return numbers, ~torch.isnan(numbers)

    def _fields(self, side: SideInput, extra: Tensor | None) -> Tensor:
        networks = self.default.shape[0]
        numbers, seen = self._numbers(side)
        numeric = numbers.shape[1]
        z: Tensor = self.norm(numbers, seen)
        parts = [torch.where(seen, z, self.default[:, :, :numeric])]  # (E, N, M)
        start = numeric
        for values, known in self.tables(side.categorical, side.lists):  # (E, N, k, w), (N, k)
            k, w = values.shape[2:]
            default = self.default[:, :, start : start + k * w].view(networks, 1, k, w)
            parts.append(torch.where(known.unsqueeze(2), values, default).flatten(2))
            start += k * w
        if extra is not None:
            parts.append(extra.expand(networks, -1, -1))
        return torch.cat(parts, dim=2)  # (E, N, D)


def output_gain(embedding: int) -> float:
    """Scale of the last He-initialised layer that gives a dot product a spread of LOGIT_STD."""
    return math.sqrt(LOGIT_STD / math.sqrt(embedding) * (1.0 + SLOPE**2) / 2.0)


class DomainRows(NamedTuple):
    """What the baselines of a domain read of a batch: requests and ads of its pairs, each once, and the pairs."""

    query: SideInput
    item: SideInput
    pair_query: Tensor  # (pairs,) rows of query
    pair_item: Tensor

    @classmethod
    def of(cls, batch: Batch, pairs: Tensor) -> "DomainRows":
        """Of rows `pairs` of the batch, all of one domain."""
        queries, pair_query = torch.unique(batch.pair_query[pairs], return_inverse=True)
        items, pair_item = torch.unique(batch.pair_item[pairs], return_inverse=True)
        return cls(batch.query.take(queries), batch.item.take(items), pair_query, pair_item)


class DomainBaselines(nn.Module):
    """The slices of one domain: the same rows and shapes, so one batched product; no parameter in common."""

    def __init__(
        self, query: FieldLayout, item: FieldLayout, tasks: int, config: TwoTowerConfig, model: ModelConfig
    ) -> None:
        super().__init__()
        gain = output_gain(config.embedding)
        owned: Owned = {}
        self.query = PlainTower(query, tasks, config.embedding, config.widths, model, owned=owned, gain=gain)
        self.item = PlainTower(item, tasks, config.embedding, config.widths, model, owned=owned, gain=gain)
        self.bias = nn.Parameter(torch.zeros(tasks))

    def forward(self, rows: DomainRows) -> Tensor:
        """(pairs, tasks) log-probabilities.

        Only requests and ads that occur in these pairs run through the towers: a slice sees its own rows.
        """
        query: Tensor = self.query(rows.query).float()  # (E, R, K)
        item: Tensor = self.item(rows.item).float()  # (E, A, K)
        with torch.autocast(query.device.type, enabled=False):
            dot = (query[:, rows.pair_query] * item[:, rows.pair_item]).sum(dim=2)  # (E, pairs)
            return F.logsigmoid(dot.T + self.bias)

    def observe(self, batch: Batch, pairs: Tensor) -> None:
        """The requests and ads of the same pairs, for the statistics of the towers' norms."""
        queries = torch.unique(batch.pair_query[pairs])
        items, times = torch.unique(batch.pair_item[pairs], return_counts=True)
        self.query.observe(batch.query.take(queries), torch.ones_like(queries))
        self.item.observe(batch.item.take(items), times)


class _Part(NamedTuple):
    """A domain that has pairs in a batch."""

    domain: int
    baselines: DomainBaselines
    pairs: Tensor  # rows of the batch
    rows: DomainRows


def _announce(reads: Sequence[tuple[PlainTower, SideInput]]) -> None:
    """Tell who moves rows of tables all that the towers will read, in one call; of a table its first reader's rows."""
    if (on_read := reads[0][0].tables.on_read) is None:
        return
    first: dict[Tensor, Tensor] = {}
    for tower, side in reads:
        for table, rows in tower.tables.reads(side.categorical, side.lists):
            first.setdefault(table, rows)
    on_read(list(first.items()))


class PerSlice(RankingModel):
    """One independent two-tower model per (surface, product, task); no task tree: a logit is log-odds itself.

    Each slice has embedding tables, defaults, weights and bias of its own, over its domain's fields only.
    """

    def __init__(self, declarations: Declarations, config: TwoTowerConfig, model: ModelConfig) -> None:
        super().__init__()
        domains = declarations.domains
        self.products = len(domains.products)
        self.tasks = len(domains.tasks)
        self.parents = [None] * self.tasks
        self.levels = len(domains.domains)
        self.columns = [[t for t, has in enumerate(row) if has] for row in domains.task_mask.tolist()]
        self.domains = nn.ModuleList(
            DomainBaselines(
                FieldLayout(declarations.query, index // self.products),
                FieldLayout(declarations.item, index % self.products),
                len(columns),
                config,
                model,
            )
            for index, columns in enumerate(self.columns)
        )

    def forward(self, batch: Batch) -> Tensor:
        parts = [
            _Part(index, baselines, pairs, DomainRows.of(batch, pairs))
            for index, (baselines, pairs) in enumerate(self._pairs_by_domain(batch))
            if len(pairs) and self.columns[index]
        ]
        if not parts:
            return batch.teacher.new_full(batch.teacher.shape, ABSENT)
        _announce([(part.baselines.query, part.rows.query) for part in parts])
        _announce([(part.baselines.item, part.rows.item) for part in parts])
        values = []
        for part in parts:
            log_p = part.baselines(part.rows)
            columns = torch.tensor(self.columns[part.domain], device=log_p.device)
            all_tasks = log_p.new_full((len(part.pairs), self.tasks), ABSENT)
            values.append(all_tasks.index_copy(1, columns, log_p))
        return torch.cat(values)[torch.argsort(torch.cat([part.pairs for part in parts]))]

    def _pairs_by_domain(self, batch: Batch) -> Iterator[tuple[DomainBaselines, Tensor]]:
        """Every domain's baselines with the rows of the domain's pairs."""
        for index, baselines in enumerate(self.domains):
            assert isinstance(baselines, DomainBaselines)  # nn.ModuleList has no types
            yield baselines, torch.nonzero(batch.pair_domain == index).squeeze(1)

    def observe(self, batch: Batch) -> None:
        for baselines, pairs in self._pairs_by_domain(batch):
            baselines.observe(batch, pairs)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        """A slice without a rate, which nothing trains, takes the mean of its task's others, as in the pooled model."""
        logits = without_gaps(conditional_logits(base_rates, self.parents))
        for index, baselines in enumerate(self.domains):
            baselines.get_parameter("bias").copy_(logits[index, self.columns[index]])

    @torch.no_grad()
    def shift_level(self, shift: Tensor) -> None:
        for index, baselines in enumerate(self.domains):
            baselines.get_parameter("bias").add_(shift[index, self.columns[index]])
