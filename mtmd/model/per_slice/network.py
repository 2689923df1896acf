"""One two-tower MLP per slice (paper §3.2), which MTMD is compared with.

Shapes: E networks side by side, R requests, A ads, P pairs, T tasks, K embedding.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations
from mtmd.model.batch import Batch
from mtmd.model.fields import FieldLayout, Owned
from mtmd.model.per_slice import Settings
from mtmd.model.plain_tower import PlainTower
from mtmd.model.ranker import RankingModel, conditional_logits, without_gaps

ABSENT = math.log(0.5)  # stands where a task does not exist in a pair's domain


class DomainBaselines(nn.Module):
    """The slices of one domain: the same rows and shapes, so one batched product; no parameter in common."""

    def __init__(self, query: FieldLayout, item: FieldLayout, tasks: int, config: Settings) -> None:
        super().__init__()
        owned: Owned = {}
        self.query, self.item = (
            PlainTower(side, tasks, 1, config.widths, config.embedding, config.norm_min_rows, owned)
            for side in (query, item)
        )
        self.bias = nn.Parameter(torch.zeros(tasks))

    def forward(self, batch: Batch) -> Tensor:
        """(pairs, tasks) log-probabilities of a batch of this domain's pairs alone."""
        query: Tensor = self.query(batch.query).float()  # (E, R, K)
        item: Tensor = self.item(batch.item).float()  # (E, A, K)
        with torch.autocast(query.device.type, enabled=False):
            dot = (query[:, batch.pair_query] * item[:, batch.pair_item]).sum(dim=2)  # (E, pairs)
            return F.logsigmoid(dot.T + self.bias)


class PerSlice(RankingModel):
    """One independent two-tower model per (surface, product, task); no task tree: a logit is log-odds itself.

    Each slice has embedding tables, defaults, weights and bias of its own, over its domain's fields only.
    """

    def __init__(self, declarations: Declarations, config: Settings) -> None:
        super().__init__()
        domains = declarations.domains
        products, self.tasks = len(domains.products), len(domains.tasks)
        self.parents = [None] * self.tasks
        self.columns = [[t for t, has in enumerate(row) if has] for row in domains.task_mask.tolist()]
        self.domains = nn.ModuleList(
            DomainBaselines(
                FieldLayout(declarations.query, index // products),
                FieldLayout(declarations.item, index % products),
                len(columns),
                config,
            )
            for index, columns in enumerate(self.columns)
        )

    def forward(self, batch: Batch) -> Tensor:
        parts = [
            (pairs, own, batch.only(pairs), torch.tensor(self.columns[domain], device=pairs.device))
            for domain, own, pairs in self._pairs_by_domain(batch)
            if len(pairs) and self.columns[domain]
        ]
        if not parts:
            return batch.teacher.new_full(batch.teacher.shape, ABSENT)
        values = []
        for pairs, own, part, columns in parts:
            log_p = own(part)
            all_tasks = log_p.new_full((len(pairs), self.tasks), ABSENT)
            values.append(all_tasks.index_copy(1, columns, log_p))
        return torch.cat(values)[torch.argsort(torch.cat([pairs for pairs, *_ in parts]))]

    def observe(self, batch: Batch) -> None:
        for _, own, pairs in self._pairs_by_domain(batch):
            part = batch.only(pairs)
            own.query.observe(part.query, part.requests_once())
            own.item.observe(part.item, part.candidates_of_ads())

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        """A slice without a rate, which nothing trains, takes the mean of its task's others, as in the pooled model."""
        logits = without_gaps(conditional_logits(base_rates, self.parents))
        for domain, own in enumerate(self.domains):
            own.get_parameter("bias").copy_(logits[domain, self.columns[domain]])

    def _pairs_by_domain(self, batch: Batch) -> Iterator[tuple[int, DomainBaselines, Tensor]]:
        """Every domain's baselines with the rows of the domain's pairs."""
        for domain, own in enumerate(self.domains):
            assert isinstance(own, DomainBaselines)  # nn.ModuleList has no types
            yield domain, own, torch.nonzero(batch.pair_domain == domain).squeeze(1)


Network = PerSlice
