"""What lists and encoded numbers cost in training: `python -m benchmarks.feature_rates`.

The demo's features as they are, with the preset histories' two lists beside them, and with every number encoded by bins
or piecewise linearly. Each model takes the same steps on the same requests of the simulated platform, batches included;
runs alternate, and rates are by processor time, so that other work on the machine changes them little.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from rich.console import Console

from benchmarks.runs import extracted, told
from benchmarks.seeds import MODELS
from mtmd.config import Preset, load_preset
from mtmd.extract.window import WindowData
from mtmd.jobs.simulation import simulate_days
from mtmd.model.build import ModelKind, build_model
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.optimizer import make_optimizer
from mtmd.train.stage import window_data
from mtmd.train.step import TrainingLoss, choose_precision, deterministic, training_step
from mtmd.train.trainer import start

LAST_DAY = date(2026, 1, 9)  # the platform's ninth: histories reach back seven days
DAYS = 2  # of training
PRESETS = {"as it is": "demo", "histories": "histories"}
ENCODINGS = {"numbers in bins": "bins", "numbers piecewise": "piecewise"}


class Steps:
    """Training steps of one model, and the processor seconds of its runs."""

    def __init__(self, kind: ModelKind, preset: Preset, data: WindowData) -> None:
        self._preset, self._data = preset, data
        self._model = build_model(kind, preset)
        start(self._model, data, preset.training.batch_requests)
        self._optimizer = make_optimizer(self._model, preset.training)
        self._loss = TrainingLoss.of(preset.training, preset.domains.task_names, data.base_rates())
        self._rates: list[float] = []

    def run(self, epoch: int, steps: int) -> None:
        """The first batches of an epoch."""
        training = self._preset.training
        started, rows = time.process_time(), 0
        for batch in islice(self._data.epoch(epoch, training.batch_requests), steps):
            self._model.train()
            training_step(
                self._model,
                self._optimizer,
                batch,
                self._loss,
                choose_precision(training),
                training.max_gradient_norm,
            )
            rows += len(batch.candidate)
        self._rates.append(rows / (time.process_time() - started))

    @property
    def rate(self) -> float:
        """Rows a second; the first run warms up."""
        return median(self._rates[1:])


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, extract, time, and print a table."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    with TemporaryDirectory() as directory:
        variants = {
            name: _window(preset, options.requests_per_day, Path(directory))
            for name, preset in PRESETS.items()
        }
        plain, data = variants["as it is"]
        variants |= {name: (encoded(plain, encoding), data) for name, encoding in ENCODINGS.items()}
        rates = {kind: compare(kind, variants, options.rounds, options.steps) for kind in MODELS}
    table = rates_table(rates, options.requests_per_day)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def compare(
    kind: ModelKind, variants: Mapping[str, tuple[Preset, WindowData]], rounds: int, steps: int
) -> dict[str, float]:
    """Rows a second of processor time of each variant."""
    trained = {name: Steps(kind, preset, data) for name, (preset, data) in variants.items()}
    with deterministic():
        for epoch in range(rounds + 1):
            for one in trained.values():
                one.run(epoch, steps)
    return {name: one.rate for name, one in trained.items()}


def rates_table(rates: Mapping[ModelKind, Mapping[str, float]], requests_per_day: int) -> Table:
    """A row per variant: rows a second of each model, and as a share of the first variant's."""
    rows = []
    for name in next(iter(rates.values())):
        cells: list[Cell] = [name]
        for own in rates.values():
            cells += [round(own[name]), own[name] / next(iter(own.values()))]
        rows.append(tuple(cells))
    columns = [Column(name="features", kind="text")]
    for kind in rates:
        columns += [Column(name=f"{kind}, rows/s", kind="count"), Column(name="share", kind="share")]
    title = f"Training by what features are, {requests_per_day} requests a day, one thread"
    return Table(title=title, columns=tuple(columns), rows=tuple(rows))


def _window(name: str, requests_per_day: int, directory: Path) -> tuple[Preset, WindowData]:
    """A preset with a window of two days over its own logs."""
    logs, preset = str(directory / name / "logs"), load_preset(name)
    simulate_days(LAST_DAY, name, days=DAYS, logs=logs, requests_per_day=requests_per_day)
    days = tuple(LAST_DAY - timedelta(days=back) for back in reversed(range(DAYS)))
    plan = RunPlan(
        as_of=LAST_DAY + timedelta(days=1),
        days=days,
        preset=preset,
        logs=logs,
        artifacts=str(directory / name),
    )
    return preset, window_data(plan, extracted(plan, days))


def encoded(preset: Preset, encoding: str) -> Preset:
    """The preset with each of its numbers encoded."""
    features = [
        feature.model_dump() | ({"encoding": encoding} if feature.kind == "continuous" else {})
        for feature in preset.features
    ]
    return Preset.model_validate(preset.model_dump() | {"features": features})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feature_rates", description=__doc__)
    parser.add_argument("--requests-per-day", type=int, default=4000, help="of the simulated days")
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs of each variant")
    parser.add_argument("--steps", type=int, default=4, help="updates in a run")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
