"""How fast each model trains on a preset's own logs: `python -m benchmarks.rates --preset kuairand --as-of 2022-04-30`.

Whole steps over the window, batches included, at the preset's batch. Rates are by processor time, so that other work
on the machine changes them less; runs of the models alternate, and the median is reported.
"""

from collections.abc import Sequence
from typing import get_args

import torch

from benchmarks.feature_rates import Steps
from benchmarks.runs import window_command
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.build import ModelKind
from mtmd.report.tables.evaluation import Column, Table
from mtmd.train.step import deterministic

KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
ROUNDS, STEPS = 3, 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    return window_command("rates", __doc__, arguments, _table)


def _table(preset: Preset, data: WindowData) -> Table:
    return rates_table(preset, rates(preset, data))


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
