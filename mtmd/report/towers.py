"""Routing weights and SE gates of the two towers, as a page shows them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtmd.report.heat_map import HeatMap, factors_map
from mtmd.report.traces import TowerMeans


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
