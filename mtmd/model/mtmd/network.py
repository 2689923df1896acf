"""MTMD (paper §2.2, §2.3): two towers, one dot product per task, probabilities along the task tree.

A tower (§2.2, Fig. 5) has Domain Experts (§2.1, Fig. 4), one per surface (query) or product (item). A row runs through
the adaptation and the Domain Expert of its own domain, and the domain-shared expert. All read the tower's whole
columns, in which a field that the domain lacks is a learned constant. Networks of one shape are a Stack.
Readings: routed outputs are concatenated (`composition = "concat"`) so that DCN crosses experts, `"sum"` is a switch;
routers follow the experts' norm rule; `norm = "none"` removes every LayerNorm, also DCN's.

Shapes: N rows of requests or ads, D adapted columns, T tasks, H expert output width, S shallow width,
K_t = emb_deep + emb_shallow + 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtmd.config import Declarations, SideSchema
from mtmd.model.adaptation import DomainAdaptation, by_domain
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import Owned
from mtmd.model.layers import LowRankCross, Stack, affine, normalise, pad_rows, projection
from mtmd.model.mtmd import Settings
from mtmd.model.mtmd.served import DomainModule
from mtmd.model.ranker import (
    TwoTower,
    conditional_logits,
    pair_logits,
    tree_log_probability,
    without_gaps,
)

SHALLOW_GAIN = 0.1  # likewise for shallow logits
ROUTER_GAIN = 0.1  # routing starts near uniform


class DomainExpert(nn.Module):
    """One domain's experts, routers and composition: adapted rows to embeddings of the domain's T tasks."""

    def __init__(
        self, width: int, shallow_width: int, deep_widths: tuple[int, ...], config: Settings
    ) -> None:
        super().__init__()
        tasks = len(deep_widths)
        slope, norm = config.leaky_slope, config.norm
        self.norm = norm
        self.concat = config.composition == "concat"
        self.shallow_width = shallow_width
        self.tasks, self.routed = tasks, len(config.routed)
        self.domain_shared = config.domain_shared_expert
        # T deep experts, then the task-shared one.
        networks = tasks + int(config.task_shared_expert)
        self.experts = Stack(networks, width, config.expert_widths, norm, slope)
        self.routers = self.shallow = None
        if config.routing and self.routed > 1:
            router_widths = (*config.router_widths, self.routed)
            self.routers = Stack(
                tasks, width, router_widths, norm, slope, activate_last=False, last_gain=ROUTER_GAIN
            )
        if config.shallow_expert:
            self.shallow = Stack(
                tasks, shallow_width, config.shallow_widths, norm, slope, last_gain=SHALLOW_GAIN
            )
        composed = config.expert_widths[-1] * (self.routed if self.concat else 1)
        if norm != "none":
            self.gain = nn.Parameter(torch.ones(tasks, 1, composed))
            self.shift = nn.Parameter(torch.zeros(tasks, 1, composed))
        self.cross = LowRankCross(tasks, composed, config.cross_layers, config.cross_rank)
        self.project = nn.ModuleList(projection(composed, deep) for deep in deep_widths)

    def forward(self, x: Tensor, z: Tensor, shared: Tensor) -> list[list[Tensor]]:
        """Adapted rows to embeddings: per task [emb_deep (N, K), emb_shallow (N, S)].

        x (N, D) adapted, z the same after the LayerNorm where norm is "pre", shared (N, H) of the
        domain-shared expert, not read where there is none.
        """
        if self.routers is None:
            weights = z.new_full((self.tasks, z.shape[0], self.routed), 1.0 / self.routed)
        else:
            weights = torch.softmax(self.routers(z).float(), dim=2)  # (T, N, E)
        composed = self._compose(self.experts(z), shared, weights)
        deep = [[project(c)] for project, c in zip(self.project, composed, strict=True)]
        if self.shallow is None:
            return deep
        fields = x[:, x.shape[1] - self.shallow_width :]
        shallow = self.shallow(normalise(fields) if self.norm == "pre" else fields).unbind(0)  # T × (N, S)
        return [[*parts, s] for parts, s in zip(deep, shallow, strict=True)]

    def _compose(self, outputs: Tensor, shared: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """Routed outputs through LayerNorm and DCN: T tensors (N, E H), or (N, H) when summed."""
        # (T, N, H), and (1, N, H) of the task-shared one where there is one
        deep, *others = torch.split(outputs, [self.tasks] + [1] * (len(outputs) - self.tasks))
        if self.domain_shared:
            others.append(shared)
        w = weights.to(outputs.dtype).unsqueeze(3).unbind(2)  # E × (T, N, 1)
        routed = [weight * output for weight, output in zip(w, [deep, *others], strict=True)]  # E × (T, N, H)
        c = torch.cat(routed, dim=2) if self.concat else torch.stack(routed).sum(dim=0)
        if self.norm != "none":
            c = affine(normalise(c), self.gain, self.shift)
        crossed: Tensor = self.cross(c)
        return crossed.unbind(0)


class Tower(nn.Module):
    """Rows of one side to one embedding per task.

    A domain has networks for its own tasks only (`tasks`, per domain); its embeddings of other tasks are 0.
    bias (|domains|, T): the last dimension of an embedding. The query tower learns it, and the item tower holds 1, so
    the dot product adds the surface's bias to the logit.
    """

    bias: Tensor

    def __init__(
        self,
        schema: SideSchema,
        deep_widths: tuple[int, ...],
        tasks: Sequence[Sequence[int]],
        config: Settings,
        *,
        learn_bias: bool,
        owned: Owned | None = None,
    ) -> None:
        """`owned` has the shared tables of the tower that was made before, as in FieldTables."""
        super().__init__()
        self.norm = config.norm
        self.tasks = tuple(map(tuple, tasks))
        self.adaptation = DomainAdaptation(schema, config.adaptation, config.norm_min_rows, owned)
        layout = self.adaptation.layout
        self.experts = nn.ModuleList(
            DomainExpert(layout.width, layout.shallow_width, tuple(deep_widths[t] for t in tasks_of), config)
            for tasks_of in self.tasks
        )
        # The domain-shared expert (§2.1.4): the same weights for the rows of all domains.
        self.shared: Stack | None = None
        if config.domain_shared_expert:
            self.shared = Stack(1, layout.width, config.expert_widths, config.norm, config.leaky_slope)
        self.widths = tuple(deep + config.shallow_width + 1 for deep in deep_widths)
        shape = (len(schema.domains), len(deep_widths))
        if learn_bias:
            self.bias = nn.Parameter(torch.zeros(shape))
        else:
            self.register_buffer("bias", torch.ones(shape), persistent=False)

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window, before training; the values of each count `times` (N,)."""
        self.adaptation.observe(side, times)

    def forward(self, side: SideInput) -> Tensor:
        """Rows sorted by domain → the embeddings of all tasks side by side (N, sum of K_t)."""
        x = self.adaptation(side)  # (N, D)
        z = normalise(x) if self.norm == "pre" else x
        padded = pad_rows if self.training else nn.Identity()
        # (N, H); without that expert a domain's own experts get no columns of it
        shared = x[:, :0] if self.shared is None else self.shared(padded(z)).squeeze(0)[: len(z)]
        packed = []
        parts = zip(*(by_domain(t, side) for t in (x, z, shared)), strict=True)
        for expert, tasks, bias, rows in zip(
            self.experts, self.tasks, self.bias.unbind(0), parts, strict=True
        ):
            outputs = dict(zip(tasks, expert(*(padded(t) for t in rows)), strict=True))
            packed.append(pack(outputs, bias, self.widths)[: len(rows[0])])
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


class MTMD(TwoTower):
    """The multi-task multi-domain two-tower ranker."""

    query: Tower
    item: Tower

    def __init__(self, declarations: Declarations, config: Settings) -> None:
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
        return torch.split(self.query(side), list(self.widths), dim=1)

    def embed_items(self, side: SideInput) -> tuple[Tensor, ...]:
        return torch.split(self.item(side), list(self.widths), dim=1)

    def query_module(self, surface: int) -> nn.Module:
        return DomainModule(self.query, surface)

    def item_module(self, product: int) -> nn.Module:
        return DomainModule(self.item, product)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        """Bias of (surface, task) = mean over products of the logit of the rate given the parent task."""
        surfaces, tasks = self.query.bias.shape
        logits = conditional_logits(base_rates, self.parents)  # (|domains|, T)
        self.query.bias.copy_(without_gaps(logits.view(surfaces, -1, tasks).nanmean(dim=1)))


Network = MTMD
