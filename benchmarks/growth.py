"""How a training step's cost grows: `python -m benchmarks.growth --picture docs/growth.svg`.

One thing at a time is doubled, from a base of the demo's shape at 1,024 requests a batch: the rows (requests, ads and
candidates alike), the candidates of each request, the domains (the same rows spread over more surfaces), the tasks, and
the rows of the embedding tables. Batches are random; what is measured is processor time on one thread, so that others
on the machine do not count. Extraction and training go day by day, so days multiply it all and are not drawn.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from rich.console import Console

from benchmarks.untrained import preset_without_lists
from mtmd.config import Domains, Preset, SideSchema, Task
from mtmd.model.batch import Batch, SideInput
from mtmd.model.build import build_model
from mtmd.report.page.charts import line_chart
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.files import write_text
from mtmd.train.optimizer import make_optimizer
from mtmd.train.step import TrainingLoss, choose_precision, deterministic, training_step


class Shape(NamedTuple):
    """What a step's cost depends on."""

    requests: int = 1024
    ads: int = 2048
    candidates: int = 16  # of each request
    surfaces: int = 1
    tasks: int = 1
    table_rows: int = 1  # times the preset's buckets


GROWTH: dict[str, Callable[[Shape, int], Shape]] = {
    "rows": lambda s, n: s._replace(requests=s.requests * n, ads=s.ads * n),
    "candidates": lambda s, n: s._replace(candidates=s.candidates * n),
    "domains": lambda s, n: s._replace(surfaces=s.surfaces * n),
    "tasks": lambda s, n: s._replace(tasks=s.tasks * n),
    "table rows": lambda s, n: s._replace(table_rows=s.table_rows * n),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and draw it."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    preset = options.preset
    base = Shape()._replace(requests=options.requests, ads=2 * options.requests)
    grown = {
        name: [step_seconds(preset, change(base, 2**n), options.steps) for n in range(options.doublings + 1)]
        for name, change in GROWTH.items()
    }
    Console(soft_wrap=True, highlight=False).print(growth_table(grown).markdown(), markup=False)
    if options.picture is not None:
        write_text(options.picture, picture(grown))
    return 0


def step_seconds(preset: Preset, shape: Shape, steps: int) -> float:
    """Processor seconds of a training step of MTMD: the median of some, after a warm-up."""
    preset = shaped(preset, shape)
    model, batch = build_model("mtmd", preset).train(), random_batch(preset, shape)
    rates = torch.full((len(preset.domains.domains), shape.tasks), 0.05)
    loss = TrainingLoss.of(preset.training, preset.domains.task_names, rates)
    optimizer, precision = make_optimizer(model, preset.training), choose_precision(preset.training)
    seconds = []
    with deterministic():
        for _ in range(steps + 1):
            before = time.process_time()
            training_step(model, optimizer, batch, loss, precision, preset.training.max_gradient_norm)
            seconds.append(time.process_time() - before)
    return median(seconds[1:])


def shaped(preset: Preset, shape: Shape) -> Preset:
    """The preset's features and sizes with so many surfaces, tasks and table rows; one product has every task."""
    tasks = tuple(Task(name=f"task_{n}", label="clicked") for n in range(shape.tasks))
    features = tuple(
        feature.model_copy(
            update={
                "domains": None,
                "buckets": None if feature.buckets is None else feature.buckets * shape.table_rows,
            }
        )
        for feature in preset.features
    )
    domains = Domains(
        surfaces=tuple(f"surface_{n}" for n in range(shape.surfaces)), products=("standard",), tasks=tasks
    )
    changes = {
        "domains": domains,
        "features": features,
        "model": preset.model.model_copy(update={"emb_deep": 64}),
        "training": preset.training.model_copy(
            update={"loss_weights": {task.name: 1.0 for task in tasks}}
        ),
    }  # fmt: skip
    return Preset.model_validate(preset.model_copy(update=changes).model_dump())


def random_batch(preset: Preset, shape: Shape) -> Batch:
    """Rows spread evenly over the surfaces; each request with random ads."""
    random = torch.Generator().manual_seed(0)
    declarations = preset.declarations
    even = [len(rows) for rows in torch.arange(shape.requests).tensor_split(shape.surfaces)]
    pair_query = torch.arange(shape.requests).repeat_interleave(shape.candidates)
    pairs = len(pair_query)
    return Batch(
        query=_side(declarations.query, even, random),
        item=_side(declarations.item, [shape.ads], random),
        pair_query=pair_query,
        pair_item=torch.randint(shape.ads, (pairs,), generator=random),
        pair_domain=torch.arange(shape.surfaces).repeat_interleave(torch.tensor(even))[pair_query],
        teacher=torch.rand(pairs, shape.tasks, generator=random) * 0.1 + 0.01,
        candidate=torch.arange(pairs),
    )


def _side(schema: SideSchema, counts: Sequence[int], random: torch.Generator) -> SideInput:
    rows = sum(counts)
    ids = [torch.randint(1, (f.buckets or 1) + 1, (rows,), generator=random) for f in schema.categorical]
    return SideInput(
        continuous=torch.randn(rows, len(schema.continuous), generator=random),
        categorical=torch.stack(ids, dim=1),
        embedding=torch.randn(rows, schema.vector_width, generator=random),
        counts=tuple(counts),
    )


def growth_table(grown: dict[str, list[float]]) -> Table:
    """Seconds at the base, and the cost at each doubling as a multiple of it."""
    doublings = len(next(iter(grown.values())))
    columns = (
        Column(name="what grows", kind="text"),
        Column(name="step, ms", kind="count"),
        *(Column(name=f"{2**n} ×", kind="text") for n in range(1, doublings)),
    )
    rows = tuple(
        (name, round(1e3 * seconds[0]), *(f"{s / seconds[0]:.2f}" for s in seconds[1:]))
        for name, seconds in grown.items()
    )
    return Table(
        title="Processor time of a training step, as a multiple of the base's", columns=columns, rows=rows
    )


def picture(grown: dict[str, list[float]]) -> str:
    """SVG: a line for each thing that grows, and what linear growth would be."""
    series = {name: [s / seconds[0] for s in seconds] for name, seconds in grown.items()}
    count = len(next(iter(series.values())))
    series = {"linear": [float(2**n) for n in range(count)], **series}
    ticks = [f"{2**n} ×" for n in range(count)]
    return line_chart("Cost of a training step", "what grows, as a multiple of the base", series, ticks=ticks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--requests", type=int, default=1024, help="in the base's batch; twice as many ads")
    parser.add_argument("--doublings", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each shape")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the table as SVG")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
