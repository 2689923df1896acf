"""What the towers did on the held-out day: mean routing weights (paper §2.1.5) and SE gates (§2.1.2).

`trace_means` computes the means, `tower_view` arranges them for the page. Means are over candidates, so a request or an
ad counts as often as it was scored. Sums are kept in float64 and a batch is forgotten before the next: memory does not
grow with the day.

Shapes: N rows of a tower, F fields, T tasks, E routed experts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtmd.config import Feature, Preset, SideSchema
from mtmd.extract.shards import Shard
from mtmd.extract.window import day_batches
from mtmd.model.batch import SideInput
from mtmd.model.towers import Tower, TowerTrace
from mtmd.model.two_tower import MTMD
from mtmd.report.page.heat_map import HeatMap, factors_map


@dataclass(frozen=True)
class TowerMeans:
    """One tower's means by domain, over the candidates of a day.

    domains, features, tasks, experts   names, in the order of the axes
    candidates   (|domains|,)           how many the means are over
    routing      (|domains|, T, E)      NaN where the domain lacks the task, or had no candidate
    gates        (|domains|, F)         NaN where the domain lacks the feature, or had no candidate; 1 = unchanged
    """

    side: str
    domains: tuple[str, ...]
    features: tuple[str, ...]
    tasks: tuple[str, ...]
    experts: tuple[str, ...]
    candidates: NDArray[np.int64]
    routing: NDArray[np.float64]
    gates: NDArray[np.float64]


def trace_means(
    model: MTMD, shard: Shard, preset: Preset, batch_requests: int = 1024
) -> tuple[TowerMeans, TowerMeans]:
    """Means of the query tower by surface and of the item tower by product.

    Runs in evaluation mode without gradients, in float32, and leaves the model in the mode it was in. Raises
    StorageError when the shard was extracted with other declarations.
    """
    declarations = preset.declarations
    query, item = _Sums(), _Sums()
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            for batch in day_batches(shard, declarations, batch_requests):
                query.add(batch.query, model.trace_queries(batch.query), batch.pair_query)
                item.add(batch.item, model.trace_items(batch.item), batch.pair_item)
    finally:
        model.train(training)
    return query.means(declarations.query, model.query, preset), item.means(
        declarations.item, model.item, preset
    )


@dataclass(frozen=True)
class RoutingRow:
    """Mean weights of one domain and task; `first` begins a domain."""

    domain: str
    task: str
    weights: tuple[float, ...]
    first: bool


@dataclass(frozen=True)
class TowerView:
    """One tower: its routing, its gates, and how many candidates each domain's means are over."""

    title: str
    experts: tuple[str, ...]
    routing: tuple[RoutingRow, ...]
    gates: HeatMap
    counts: tuple[tuple[str, int], ...]


def tower_view(means: TowerMeans) -> TowerView:
    """Tasks that a domain lacks are left out; features are sorted by their largest gate."""
    kind = "surface" if means.side == "query" else "product"
    return TowerView(
        title=f"{means.side} tower, by {kind}",
        experts=tuple(name.replace("_", "-") for name in means.experts),
        routing=tuple(_routing(means)),
        gates=_gates(means, kind),
        counts=tuple(zip(means.domains, map(int, means.candidates), strict=True)),
    )


@dataclass
class _Sums:
    """Sums over candidates, by domain; empty before the first batch."""

    candidates: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    routing: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    gates: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))

    def add(self, side: SideInput, trace: TowerTrace, rows: Tensor) -> None:
        """Add a batch; rows (P,) is the row of each of its pairs."""
        domains = len(side.counts)
        domain = torch.repeat_interleave(torch.arange(domains), torch.tensor(side.counts))  # (N,)
        weight = torch.bincount(rows, minlength=len(domain)).double()  # (N,)
        for name, values in (
            ("candidates", torch.ones_like(weight)),
            ("routing", trace.routing),
            ("gates", trace.gates),
        ):
            own = values.double() * weight.view(-1, *[1] * (values.dim() - 1))
            total = torch.zeros(domains, *values.shape[1:], dtype=torch.float64).index_add_(0, domain, own)
            before = getattr(self, name)
            setattr(self, name, total if not before.numel() else before + total)

    def means(self, schema: SideSchema, tower: Tower, preset: Preset) -> TowerMeans:
        """Sums over counts; a feature or a task that a domain lacks is NaN."""
        features, tasks = tower.adaptation.layout.fields, preset.domains.task_names
        count = self.candidates.numpy()
        routing = _mean(self.routing.numpy(), count)
        for domain, own in enumerate(tower.tasks):
            routing[domain, [task for task in range(len(tasks)) if task not in own]] = np.nan
        gates = _mean(self.gates.numpy(), count)
        gates[~_present(schema, features)] = np.nan
        return TowerMeans(
            side=schema.side,
            domains=schema.domains,
            features=tuple(feature.name for feature in features),
            tasks=tasks,
            experts=preset.model.routed,
            candidates=count.astype(np.int64),
            routing=routing,
            gates=gates,
        )


def _mean(sums: NDArray[np.float64], count: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.broadcast_to(count.reshape(-1, *[1] * (sums.ndim - 1)), sums.shape)
    mean: NDArray[np.float64] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return mean


def _present(schema: SideSchema, features: Sequence[Feature]) -> NDArray[np.bool_]:
    """(|domains|, F): whether the domain has the feature, in the layout's order."""
    return np.array(
        [[f.domains is None or domain in f.domains for f in features] for domain in schema.domains],
        dtype=np.bool_,
    )


def _routing(means: TowerMeans) -> Iterator[RoutingRow]:
    for domain, name in enumerate(means.domains):
        first = True
        for task, task_name in enumerate(means.tasks):
            weights = means.routing[domain, task]
            if not np.isnan(weights).any():
                yield RoutingRow(name, task_name, tuple(map(float, weights)), first)
                first = False


def _gates(means: TowerMeans, kind: str) -> HeatMap:
    largest = np.where(np.isnan(means.gates), -np.inf, means.gates).max(axis=0)
    order = np.argsort(-largest, kind="stable")
    rows = [(means.features[f], [float(value) for value in means.gates[:, f]]) for f in order]
    return factors_map(f"{means.side} tower: mean gate by {kind}", "feature", means.domains, rows)
