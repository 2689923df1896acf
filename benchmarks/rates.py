"""How fast each model trains on a preset's own logs: `python -m benchmarks.rates --preset kuairand --as-of 2022-04-30`.

Whole steps over the window, batches included, at the preset's batch. Rates are by processor time, so that other work
on the machine changes them less; runs of the models alternate, and the median is reported.
"""

from collections.abc import Sequence
from typing import get_args

import torch
from rich.console import Console

from benchmarks.feature_rates import Steps
from benchmarks.runs import extracted, window_parser, window_plan
from mtmd.config import Preset
from mtmd.errors import MtmdError
from mtmd.extract.window import WindowData
from mtmd.model.build import ModelKind
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.files import write_text
from mtmd.train.stage import window_data
from mtmd.train.step import deterministic

KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
ROUNDS, STEPS = 3, 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    options = window_parser("rates", __doc__).parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    try:
        plan = window_plan(options)
        data = window_data(plan, extracted(plan, plan.days))
    except MtmdError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    table = rates_table(plan.preset, rates(plan.preset, data))
    console.print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def rates(
    preset: Preset, data: WindowData, rounds: int = ROUNDS, steps: int = STEPS
) -> dict[ModelKind, float]:
    """Rows a second of processor time of each model; a first round warms up."""
    torch.manual_seed(0)
    models = {kind: Steps(kind, preset, data) for kind in KINDS}
    with deterministic():
        for epoch in range(rounds + 1):
            for model in models.values():
                model.run(epoch, steps)
    return {kind: model.rate for kind, model in models.items()}


def rates_table(preset: Preset, found: dict[ModelKind, float]) -> Table:
    """A row per model."""
    columns = (Column(name="model", kind="text"), Column(name="rows/s", kind="count"))
    title = (
        f"Training on {preset.name}, {preset.training.batch_requests} requests a batch, "
        f"{torch.get_num_threads()} thread(s)"
    )
    return Table(
        title=title, columns=columns, rows=tuple((kind, round(rate)) for kind, rate in found.items())
    )


if __name__ == "__main__":
    raise SystemExit(main())
