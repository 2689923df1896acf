"""MTMD (paper §2.2, §2.3): two towers, one dot product per task, probabilities along the task tree.

`build_model` makes each kind of model from a preset.

Shapes: R distinct requests, A distinct ads, P pairs, T tasks, K_t embedding width of task t.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mtmd.config import Declarations, ModelConfig, Preset
from mtmd.config.model import RivalConfig
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import Owned
from mtmd.model.per_slice import PerSlice
from mtmd.model.pooled import Pooled
from mtmd.model.ranker import (
    RankingModel,
    conditional_logits,
    pair_logits,
    tree_log_probability,
    without_gaps,
)
from mtmd.model.served import DomainModule
from mtmd.model.towers import Tower

ModelKind = str  # "mtmd", or a rival's name

# A new rival's network is a module, a line here, and its name in `RivalConfig.architecture`.
RIVALS: dict[str, Callable[[Declarations, RivalConfig, ModelConfig], RankingModel]] = {
    "per_slice": PerSlice,
    "pooled": Pooled,
}


class MTMD(RankingModel):
    """The multi-task multi-domain two-tower ranker."""

    query: Tower
    item: Tower

    def __init__(self, declarations: Declarations, config: ModelConfig) -> None:
        super().__init__()
        domains = declarations.domains
        deep_widths = config.deep_widths(domains.task_names)
        self.parents = domains.parents
        # A product has its own tasks; a surface has those of any product.
        of_product = [
            [t for t, task in enumerate(domains.tasks) if domains.has_task(p, task)] for p in domains.products
        ]
        of_surface = [sorted({t for tasks in of_product for t in tasks})] * len(domains.surfaces)
        tables: Owned = {}  # that features of both sides read belong to the first tower
        self.query = Tower(declarations.query, deep_widths, of_surface, config, learn_bias=True, owned=tables)
        self.item = Tower(declarations.item, deep_widths, of_product, config, learn_bias=False, owned=tables)
        self.widths = self.query.widths

    def forward(self, batch: Batch) -> Tensor:
        query, item = self.query(batch.query), self.item(batch.item)
        logits = pair_logits(query, item, batch.pair_query, batch.pair_item, self.widths)
        return tree_log_probability(logits, self.parents)

    def embed_queries(self, side: SideInput) -> tuple[Tensor, ...]:
        """Per task (R, K_t)"""
        return torch.split(self.query(side), list(self.widths), dim=1)

    def embed_items(self, side: SideInput) -> tuple[Tensor, ...]:
        """Per task (A, K_t)"""
        return torch.split(self.item(side), list(self.widths), dim=1)

    def query_module(self, surface: int) -> nn.Module:
        """The query tower for rows of one surface, in evaluation mode, for export."""
        return DomainModule(self.query, surface)

    def item_module(self, product: int) -> nn.Module:
        """The item tower for rows of one product, in evaluation mode, for export."""
        return DomainModule(self.item, product)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        """Bias of (surface, task) = mean over products of the logit of the rate given the parent task."""
        surfaces, tasks = self.query.bias.shape
        logits = conditional_logits(base_rates, self.parents)  # (|domains|, T)
        self.query.bias.copy_(without_gaps(logits.view(surfaces, -1, tasks).nanmean(dim=1)))


def build_model(kind: ModelKind, preset: Preset) -> RankingModel:
    """A new model with weights drawn from the preset's training seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.training.seed)
        if kind == "mtmd":
            return MTMD(preset.declarations, preset.model)
        rival = preset.rivals[kind]
        return RIVALS[rival.architecture](preset.declarations, rival, preset.model)
