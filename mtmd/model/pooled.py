"""One plain two-tower MLP of all rows, which MTMD is compared with.

Shapes: D domains, T tasks.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, ModelConfig
from mtmd.config.model import RivalConfig
from mtmd.model.batch import Batch
from mtmd.model.fields import FieldLayout, Owned
from mtmd.model.plain import PlainTower
from mtmd.model.ranker import RankingModel
from mtmd.model.scores import conditional_logits, pair_logits, tree_log_probability, without_gaps


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
