"""What the towers did on the held-out day: mean routing weights (paper §2.1.5) and SE gates (§2.1.2).

`trace_means` computes the means, `routing` and `gates_map` arrange them for the page. Means are over candidates, so a
request or an ad counts as often as it was scored. Sums are kept in float64 and a batch is forgotten before the next:
memory does not grow with the day.

Shapes: N rows of a tower, F fields, T tasks, E routed experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtmd.config import Feature, Preset, SideSchema
from mtmd.evaluate.metrics import ratio
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

    @property
    def kind(self) -> str:
        """What a domain of this tower is."""
        return "surface" if self.side == "query" else "product"


def trace_means(
    model: MTMD, shard: Shard, preset: Preset, batch_requests: int = 1024
) -> tuple[TowerMeans, TowerMeans]:
    """Means of the query tower by surface and of the item tower by product.

    Runs in evaluation mode without gradients, in float32, and leaves the model in the mode it was in. Raises
    StorageError when the shard was extracted with other declarations.
    """
    declarations = preset.declarations
    query: dict[str, Tensor] = {}
    item: dict[str, Tensor] = {}
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            for batch in day_batches(shard, declarations, batch_requests):
                add_batch(query, batch.query, model.trace_queries(batch.query), batch.pair_query)
                add_batch(item, batch.item, model.trace_items(batch.item), batch.pair_item)
    finally:
        model.train(training)
    return (
        _means(query, declarations.query, model.query, preset),
        _means(item, declarations.item, model.item, preset),
    )


def routing(means: TowerMeans) -> dict[str, dict[str, list[float]]]:
    """{domain: {task: mean weights}}; without tasks that a domain lacks, or that were never scored there."""
    return {
        domain: {
            task: weights.tolist()
            for task, weights in zip(means.tasks, by_task, strict=True)
            if not np.isnan(weights).any()
        }
        for domain, by_task in zip(means.domains, means.routing, strict=True)
    }


def gates_map(means: TowerMeans) -> HeatMap:
    """Features × domains; the feature with the largest gate first."""
    largest = np.where(np.isnan(means.gates), -np.inf, means.gates).max(axis=0)
    order = np.argsort(-largest, kind="stable")
    rows = [(means.features[f], [float(value) for value in means.gates[:, f]]) for f in order]
    return factors_map(f"{means.side} tower: mean gate by {means.kind}", "feature", means.domains, rows)


def add_batch(sums: dict[str, Tensor], side: SideInput, trace: TowerTrace, rows: Tensor) -> None:
    """Add a batch to sums over candidates, by domain; rows (P,) is the row of each of its pairs."""
    domains = len(side.counts)
    domain = torch.repeat_interleave(torch.arange(domains), torch.tensor(side.counts))  # (N,)
    weight = torch.bincount(rows, minlength=len(domain)).double()  # (N,)
    for name, values in (
        ("candidates", torch.ones_like(weight)),
        ("routing", trace.routing),
        ("gates", trace.gates),
    ):
        weighted = values.double() * weight.view(-1, *[1] * (values.dim() - 1))
        total = torch.zeros(domains, *values.shape[1:], dtype=torch.float64).index_add_(0, domain, weighted)
        sums[name] = sums[name] + total if name in sums else total


def _means(sums: dict[str, Tensor], schema: SideSchema, tower: Tower, preset: Preset) -> TowerMeans:
    """Sums over counts; a feature or a task that a domain lacks is NaN."""
    features, tasks = tower.adaptation.layout.fields, preset.domains.task_names
    count = sums["candidates"].numpy()
    routing = ratio(sums["routing"].numpy(), count[:, None, None])
    for domain, present in enumerate(tower.tasks):
        routing[domain, [task for task in range(len(tasks)) if task not in present]] = np.nan
    gates = ratio(sums["gates"].numpy(), count[:, None])
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


def _present(schema: SideSchema, features: Sequence[Feature]) -> NDArray[np.bool_]:
    """(|domains|, F): whether the domain has the feature, in the layout's order."""
    return np.array(
        [[f.domains is None or domain in f.domains for f in features] for domain in schema.domains],
        dtype=np.bool_,
    )
