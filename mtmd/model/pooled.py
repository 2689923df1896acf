"""One plain two-tower MLP of all rows, which MTMD is compared with; and what every model of all rows shares.

Shapes: D domains, T tasks.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, ModelConfig, SideSchema, TwoTowerConfig
from mtmd.model.baseline import PlainTower, output_gain
from mtmd.model.batch import Batch
from mtmd.model.fields import FieldLayout, Owned
from mtmd.model.ranker import RankingModel
from mtmd.model.scores import conditional_logits, pair_logits, tree_log_probability, without_gaps


class AllRows(RankingModel):
    """A model of all rows: one plain network a side, and a bias (D, T) of each domain and task."""

    query: PlainTower
    item: PlainTower
    bias: nn.Parameter

    def observe(self, batch: Batch) -> None:
        once = torch.ones(len(batch.query.continuous), dtype=torch.long, device=batch.query.continuous.device)
        self.query.observe(batch.query, once)
        self.item.observe(batch.item, batch.candidates_of_ads())

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        self.bias.copy_(without_gaps(conditional_logits(base_rates, self.parents)))

    @torch.no_grad()
    def shift_level(self, shift: Tensor) -> None:
        self.bias.add_(shift)


class Pooled(AllRows):
    """One two-tower model of all rows: the surface and the product are one-hot inputs, the tasks are heads.

    One norm and one set of defaults for all domains, a shared trunk per tower with one embedding per
    task, a bias per (domain, task), and MTMD's task tree: pooling and multi-task learning without experts.
    """

    def __init__(self, declarations: Declarations, config: TwoTowerConfig, model: ModelConfig) -> None:
        super().__init__()
        domains = declarations.domains
        self.parents = domains.parents
        self.levels = len(domains.domains)
        self.widths = (config.embedding,) * len(domains.tasks)
        owned: Owned = {}
        self.query = self._tower(declarations.query, config, model, owned)
        self.item = self._tower(declarations.item, config, model, owned)
        self.bias = nn.Parameter(torch.zeros(len(domains.domains), len(domains.tasks)))

    def _tower(
        self, schema: SideSchema, config: TwoTowerConfig, model: ModelConfig, owned: Owned
    ) -> PlainTower:
        return PlainTower(
            FieldLayout(schema),
            1,
            sum(self.widths),
            config.widths,
            model,
            owned=owned,
            extra=len(schema.domains),
            gain=output_gain(config.embedding),
        )

    def forward(self, batch: Batch) -> Tensor:
        query, item = (
            tower(side, side.one_hot).squeeze(0)
            for tower, side in ((self.query, batch.query), (self.item, batch.item))
        )
        logits = pair_logits(query, item, batch.pair_query, batch.pair_item, self.widths)
        return tree_log_probability(logits + F.embedding(batch.pair_domain, self.bias), self.parents)
