"""A submodel for each product, or for each surface, that is trained on its own rows; all of them in one bundle.

Pinterest serves standard and shopping ads by models of their own, and reports a lower loss (the article that
`mtmd.model.mmoe_dcn.network` names). A submodel is any architecture that may go live, made of the declarations of its
domains alone: it has no tables, experts or tasks of other domains, and no weight in common with another submodel.

All submodels take a training step together. A submodel's gradient comes from its own rows only. What still couples
them: gradients are clipped by their common norm; one epoch is kept for all; and a task's loss is a mean over the rows
of all, so that the size of a submodel's gradient depends on its share of the rows.

Serving stays one dot product. With submodels by product, a request's embedding is those of all submodels side by side;
an ad's is that of its own submodel in its place, and 0 elsewhere. By surface it is the other way round. The cost:
embeddings are as many times as wide as there are submodels, and one side's rows run through every submodel.

Shapes: N rows, P pairs, T tasks, K_s embedding width of submodel s, W sum of the K_s of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from mtmd.config import Declarations
from mtmd.features.feature import Side
from mtmd.model.batch import Batch, SideInput
from mtmd.model.ranker import TwoTower, make_network
from mtmd.model.split import Settings

ABSENT = -1.0  # log-probability that stands where a task does not exist in a pair's domain
# Of each task, submodel → K_s; a submodel that lacks the task is not there.
Places = Sequence[Mapping[int, int]]


class Split(TwoTower):
    """The log-probabilities of a pair are those of its product's, or surface's, submodel.

    side   the one whose rows have one submodel each
    tasks  of each submodel, the places of its tasks among all
    """

    def __init__(self, declarations: Declarations, config: Settings) -> None:
        super().__init__()
        domains = declarations.domains
        self.parents, self.products = domains.parents, len(domains.products)
        self.side: Side = "item" if config.by == "product" else "query"
        names = domains.products if config.by == "product" else domains.surfaces
        own = [restricted(declarations, self.side, name) for name in names]
        self.submodels = cast(
            Sequence[TwoTower], nn.ModuleList(make_network(one, config.each) for one in own)
        )
        self.tasks = [[domains.task_names.index(name) for name in one.domains.task_names] for one in own]
        widths = [
            dict(zip(tasks, one.widths, strict=True))
            for tasks, one in zip(self.tasks, self.submodels, strict=True)
        ]
        every = range(len(domains.tasks))
        self.places: Places = [{s: of[task] for s, of in enumerate(widths) if task in of} for task in every]
        self.widths = [sum(of.values()) for of in self.places]

    def forward(self, batch: Batch) -> Tensor:
        log_p = batch.teacher.new_full(batch.teacher.shape, ABSENT)
        for s, one in enumerate(self.submodels):
            pairs, own = self._rows(batch, s)
            if len(pairs):
                every = log_p.new_full((len(pairs), len(self.places)), ABSENT)
                tasks = pairs.new_tensor(self.tasks[s])
                log_p = log_p.index_copy(0, pairs, every.index_copy(1, tasks, one(own)))
        return log_p

    def observe(self, batch: Batch) -> None:
        for s, one in enumerate(self.submodels):
            one.observe(self._rows(batch, s)[1])

    def initialise_bias(self, base_rates: Tensor) -> None:
        rates = base_rates.view(-1, self.products, base_rates.shape[1])  # (surfaces, products, T)
        for s, one in enumerate(self.submodels):
            own = rates[:, s] if self.side == "item" else rates[s]
            one.initialise_bias(own[:, self.tasks[s]])

    def embed_queries(self, side: SideInput) -> tuple[Tensor, ...]:
        return self._embed("query", side)

    def embed_items(self, side: SideInput) -> tuple[Tensor, ...]:
        return self._embed("item", side)

    def query_module(self, surface: int) -> nn.Module:
        if self.side == "query":
            return ServedSplit({surface: self.submodels[surface].query_module(0)}, self.tasks, self.places)
        modules = {s: one.query_module(surface) for s, one in enumerate(self.submodels)}
        return ServedSplit(modules, self.tasks, self.places)

    def item_module(self, product: int) -> nn.Module:
        if self.side == "item":
            return ServedSplit({product: self.submodels[product].item_module(0)}, self.tasks, self.places)
        modules = {s: one.item_module(product) for s, one in enumerate(self.submodels)}
        return ServedSplit(modules, self.tasks, self.places)

    def _rows(self, batch: Batch, s: int) -> tuple[Tensor, Batch]:
        """The pairs (P',) of a submodel, and a batch of them for it."""
        surface, product = batch.pair_domain // self.products, batch.pair_domain % self.products
        own, other = (product, surface) if self.side == "item" else (surface, product)
        pairs = torch.nonzero(own == s).squeeze(1)
        part = batch.only(pairs)
        query, item = self._of_one("query", part.query), self._of_one("item", part.item)
        teacher = part.teacher[:, self.tasks[s]]
        return pairs, replace(part, query=query, item=item, pair_domain=other[pairs], teacher=teacher)

    def _of_one(self, tower: Side, rows: SideInput) -> SideInput:
        """Rows of one submodel's domains, for it."""
        return replace(rows, counts=(sum(rows.counts),)) if tower == self.side else rows

    def _embed(self, tower: Side, side: SideInput) -> tuple[Tensor, ...]:
        """Rows sorted by domain → per task (N, W)"""
        rows, parts = torch.arange(sum(side.counts), device=side.continuous.device), []
        apart, all_of_them = tower == self.side, range(len(self.submodels))
        for domain, places in enumerate(torch.split(rows, list(side.counts) if apart else [len(rows)])):
            own = self._of_one(tower, side.take(places))
            made = {}
            for s in [domain] if apart else all_of_them:
                one = self.submodels[s]
                embeddings = one.embed_queries(own) if tower == "query" else one.embed_items(own)
                made[s] = dict(zip(self.tasks[s], embeddings, strict=True))
            parts.append(side_by_side(made, self.places, own.continuous))
        return tuple(torch.cat(of_task) for of_task in zip(*parts, strict=True))


class ServedSplit(nn.Module):
    """Rows of one domain, in evaluation mode, for export: embeddings of some submodels, and 0 for the others."""

    def __init__(
        self, modules: Mapping[int, nn.Module], tasks: Sequence[Sequence[int]], places: Places
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({str(s): module for s, module in modules.items()})
        self.tasks, self.places = {s: tasks[s] for s in modules}, places
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Matrices and lists, as TwoTower says → per task (N, W)"""
        outputs = {s: (tasks, self.parts[str(s)](*inputs)) for s, tasks in self.tasks.items()}
        made = {s: dict(zip(*both, strict=True)) for s, both in outputs.items()}
        return side_by_side(made, self.places, inputs[0])


def side_by_side(
    made: Mapping[int, Mapping[int, Tensor]], places: Places, rows: Tensor
) -> tuple[Tensor, ...]:
    """Per task (N, W), from what some submodels made of rows (N, …): submodel → task → (N, K_s)."""
    # len() would fix the number of rows
    count, absent = rows.shape[0], rows.new_zeros((), dtype=torch.float32)
    return tuple(
        torch.cat([made[s][t] if s in made else absent.expand(count, k) for s, k in of.items()], dim=1)
        for t, of in enumerate(places)
    )


def restricted(whole: Declarations, side: Side, name: str) -> Declarations:
    """The declarations of one domain of a side, with its tasks. Towers leave out the features that it lacks."""
    domains = whole.domains
    own: dict[str, Any] = {"surfaces": (name,)}
    if side == "item":
        tasks = (task for task in domains.tasks if domains.has_task(name, task))
        own = {"products": (name,), "tasks": tuple(t.model_copy(update={"products": None}) for t in tasks)}
    # As checked before: a feature may still name other domains.
    return Declarations.model_construct(**{**dict(whole), "domains": domains.model_copy(update=own)})


Network = Split
