"""Two towers whose rows pass the adaptation and the networks of their domain: what MTMD and `mmoe_dcn` have in common.

Shapes: R requests, A ads, N rows of either, D adapted columns, H width of a common output, T tasks,
K_t = emb_deep + emb_shallow + 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mtmd.config import Declarations, SideSchema
from mtmd.config.model import TowerSettings
from mtmd.model.adaptation import DomainAdaptation, by_domain
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import Owned
from mtmd.model.layers import normalise, pad_rows
from mtmd.model.ranker import TwoTower, conditional_logits, pair_logits, tree_log_probability, without_gaps

ROUTER_GAIN = 0.1  # routing starts near uniform
SHALLOW_GAIN = 0.1  # shallow logits start small


@dataclass(frozen=True)
class TowerPlan:
    """What a tower is of.

    deep_widths  width of emb_deep of each task        tasks  those of each domain
    owned        shared tables of the tower that was made before, as in FieldTables
    """

    schema: SideSchema
    deep_widths: tuple[int, ...]
    tasks: tuple[tuple[int, ...], ...]
    learn_bias: bool
    owned: Owned = field(default_factory=dict)


class DomainTower(nn.Module):
    """Rows of one side to one embedding per task.

    A domain has networks for its own tasks only; its embeddings of other tasks are 0.
    bias (|domains|, T): the last dimension of an embedding. The query tower learns it, and the item tower holds 1, so
    the dot product adds the surface's bias to the logit.
    """

    bias: Tensor

    def __init__(self, plan: TowerPlan, config: TowerSettings) -> None:
        super().__init__()
        self.norm, self.tasks = config.norm, plan.tasks
        self.adaptation = DomainAdaptation(plan.schema, config.adaptation, config.norm_min_rows, plan.owned)
        self.width, self.shallow_width = self.adaptation.layout.width, self.adaptation.layout.shallow_width
        self.widths = tuple(deep + config.shallow_width + 1 for deep in plan.deep_widths)
        shape = (len(plan.tasks), len(plan.deep_widths))
        if plan.learn_bias:
            self.bias = nn.Parameter(torch.zeros(shape))
        else:
            self.register_buffer("bias", torch.ones(shape), persistent=False)

    def in_common(self, z: Tensor) -> Tensor:
        """What rows of all domains pass: (N, D), after the LayerNorm where norm is "pre" → (…, N, H)."""
        raise NotImplementedError

    def embed(self, domain: int, x: Tensor, z: Tensor, common: Tensor) -> list[list[Tensor]]:
        """Rows of one domain: of each of its tasks [emb_deep (N, K), emb_shallow (N, S)], or without the latter.

        x (N, D) adapted, z the same after the LayerNorm where norm is "pre", common (…, N, H).
        """
        raise NotImplementedError

    def served(self, domain: int) -> nn.Module:
        """What embeds rows of one domain, for export."""
        raise NotImplementedError

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window, before training; the values of each count `times` (N,)."""
        self.adaptation.observe(side, times)

    def forward(self, side: SideInput) -> Tensor:
        """Rows sorted by domain → the embeddings of all tasks side by side (N, sum of K_t)."""
        x = self.adaptation(side)  # (N, D)
        z = normalise(x) if self.norm == "pre" else x
        padded = pad_rows if self.training else nn.Identity()
        common = self.in_common(padded(z))[..., : len(z), :]
        of_domains = torch.split(common, list(side.counts), dim=-2)
        parts = zip(by_domain(x, side), by_domain(z, side), of_domains, strict=True)
        packed = []
        for domain, rows in enumerate(parts):
            embeddings = self.embed(domain, *(padded(part) for part in rows))
            of_tasks = dict(zip(self.tasks[domain], embeddings, strict=True))
            packed.append(pack(of_tasks, self.bias[domain], self.widths)[: len(rows[0])])
        return torch.cat(packed)


def pack(embeddings: dict[int, list[Tensor]], bias: Tensor, widths: Sequence[int]) -> Tensor:
    """emb_deep, emb_shallow and bias of each task in turn → (N, sum of K_t) float32.

    embeddings: per task that the domain has, its two parts; the others' are 0. bias (T,).
    """
    first = next(iter(embeddings.values()))[0]
    rows, parts = first.shape[0], list[Tensor]()
    for task, (value, width) in enumerate(zip(bias.unbind(0), widths, strict=True)):
        absent = [first.new_zeros(()).expand(rows, width - 1)]
        parts += [part.float() for part in embeddings.get(task, absent)]
        parts.append(value.expand(rows, 1))
    return torch.cat(parts, dim=1)


class DomainTowers(TwoTower):
    """Two such towers, one dot product per task, probabilities along the task tree."""

    query: DomainTower
    item: DomainTower

    def __init__(
        self, declarations: Declarations, config: TowerSettings, tower: Callable[[TowerPlan], DomainTower]
    ) -> None:
        super().__init__()
        domains = declarations.domains
        deep_widths = config.deep_widths(domains.task_names)
        self.parents = domains.parents
        # A product has its own tasks; a surface has those of any product.
        of_product = tuple(
            tuple(t for t, task in enumerate(domains.tasks) if domains.has_task(p, task))
            for p in domains.products
        )
        of_surface = (tuple(sorted({t for tasks in of_product for t in tasks})),) * len(domains.surfaces)
        tables: Owned = {}  # that features of both sides read belong to the first tower
        self.query = tower(TowerPlan(declarations.query, deep_widths, of_surface, True, tables))
        self.item = tower(TowerPlan(declarations.item, deep_widths, of_product, False, tables))
        self.widths = self.query.widths

    def forward(self, batch: Batch) -> Tensor:
        query, item = self.query(batch.query), self.item(batch.item)
        logits = pair_logits(query, item, batch.pair_query, batch.pair_item, self.widths)
        return tree_log_probability(logits, self.parents)

    def embed_queries(self, side: SideInput) -> tuple[Tensor, ...]:
        return torch.split(self.query(side), list(self.widths), dim=1)

    def embed_items(self, side: SideInput) -> tuple[Tensor, ...]:
        return torch.split(self.item(side), list(self.widths), dim=1)

    def query_module(self, surface: int) -> nn.Module:
        return self.query.served(surface)

    def item_module(self, product: int) -> nn.Module:
        return self.item.served(product)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        """Bias of (surface, task) = mean over products of the logit of the rate given the parent task."""
        surfaces, tasks = self.query.bias.shape
        logits = conditional_logits(base_rates, self.parents)  # (|domains|, T)
        self.query.bias.copy_(without_gaps(logits.view(surfaces, -1, tasks).nanmean(dim=1)))
