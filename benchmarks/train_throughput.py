"""Training throughput of MTMD and of the plain oracle, side by side: `python -m benchmarks.train_throughput`.

The oracle of the tests is MTMD module by module, in float32, with every candidate row through both towers. All take
the same steps (loss, backward, clipping, AdamW on the preset's schedule) on the same batches of simulated logs, from
the same weights, and must end with the oracle's LogMAE on the validation requests. Runs alternate between all, so a
busy moment of the machine hits each; reported are medians.

With as many threads as cores, anything else that runs can slow torch tens of times: its OpenMP threads spin at every
barrier while the one they wait for has no core. `OMP_WAIT_POLICY=passive` in the environment ends that.
"""

import argparse
import copy
import importlib.util
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NamedTuple

import torch
from rich.console import Console
from torch import nn

from benchmarks.runs import platform_for, told
from benchmarks.tune import validation_logmae
from mtmd.config import Preset, load_preset
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.window import WindowData
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch
from mtmd.model.ranker import build_model
from mtmd.report.tables import Column, Table
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.train.optimizer import RATE, learning_rate_factor, make_optimizer
from mtmd.train.step import Precision, TrainingLoss, choose_precision, deterministic, training_step

TARGET = 10.0  # times the oracle's throughput
OBSERVED = 4  # batches whose values features are normalised by
SAME = 0.005  # relative difference of the final LogMAE
FIRST_DAY = date(2026, 1, 1)
ORACLE = Path(__file__).parents[1] / "tests" / "model" / "oracle.py"


class Row(NamedTuple):
    """One path in one precision: medians over its runs."""

    name: str
    precision: Precision
    pairs_per_s: float
    logmae: float


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, extract, time, and print a table; exit status 1 when the last row misses its target."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    preset = load_preset(options.preset)
    # The optimizer knows tables by their names, which the oracle's do not have.
    alike = {"batch_requests": options.batch_requests, "embedding_rate": 1.0, "weight_decay": 0.0}
    training = preset.training.model_copy(update=alike)
    preset = preset.model_copy(update={"training": training})
    world = platform_for(preset, requests_per_day=options.requests_per_day)
    with TemporaryDirectory() as directory:
        data = demo_shaped(preset, world, options.days, Path(directory))
        rows = compare(preset, data, options.rounds, options.steps)
    table = throughput_table(rows, options.batch_requests, options.requests_per_day)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0 if rows[-1].pairs_per_s >= TARGET * rows[0].pairs_per_s else 1


def demo_shaped(preset: Preset, world: WorldConfig, days: int, directory: Path) -> WindowData:
    """A training window over a few simulated days."""
    wanted = [FIRST_DAY + timedelta(days=n) for n in range(days)]
    simulate(world, wanted[0], wanted[-1], directory / "logs")
    refs = [
        extract_day(LogSource(directory / "logs"), day, preset.declarations, directory / "shards")
        for day in wanted
    ]
    return WindowData(
        [open_shard(Path(ref.path)) for ref in refs],
        preset.declarations,
        validation_fraction=preset.training.validation_fraction,
        seed=preset.training.seed,
    )


def compare(preset: Preset, data: WindowData, rounds: int, steps: int) -> list[Row]:
    """Time the oracle, and MTMD in float32 and in the precision that training takes here; last.

    Raises RuntimeError when the oracle and MTMD do not end with the same LogMAE: then their
    times compare nothing.
    """
    oracle, chosen = _oracle(), choose_precision(preset.training)
    plain = oracle.Oracle(preset.declarations, preset.model)
    first = build_model(preset.candidate, preset)
    first.initialise_bias(data.base_rates())
    for batch in _observed(data, preset):
        first.observe(batch)
        plain.observe(batch)
    oracle.copy_weights(first, plain)
    paths = [_Path("plain oracle", plain, data, preset, "float32", (rounds + 1) * steps)]
    for precision in dict.fromkeys(("float32", chosen)):
        model = copy.deepcopy(first)
        paths.append(_Path("MTMD", model, data, preset, precision, (rounds + 1) * steps))
    with deterministic():
        runs = [[path.run(epoch, steps) for path in paths] for epoch in range(rounds + 1)]
    rates = zip(*runs[1:], strict=True)  # the first warms up
    rows = [path.row(own) for path, own in zip(paths, rates, strict=True)]
    for row in rows[1:]:
        if abs(row.logmae / rows[0].logmae - 1.0) > SAME:
            raise RuntimeError(
                f"MTMD in {row.precision} ends at LogMAE {row.logmae}, the oracle at {rows[0].logmae}"
            )
    return rows


def _observed(data: WindowData, preset: Preset) -> Iterator[Batch]:
    """A few batches for the statistics of features: the oracle keeps every value that it sees."""
    return islice(data.epoch(0, preset.training.batch_requests), OBSERVED)


class _Path:
    """One model with its optimizer, and the updates that it makes."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        data: WindowData,
        preset: Preset,
        precision: Precision,
        steps: int,
    ) -> None:
        self._name, self._model, self._data, self._precision = name, model, data, precision
        self._config, self._steps, self._done = preset.training, steps, 0
        self._optimizer = make_optimizer(model, preset.training)
        self._loss = TrainingLoss.of(preset.training, preset.domains.tasks, data.base_rates())

    def run(self, epoch: int, steps: int) -> float:
        """Pairs a second over the first batches of an epoch."""
        started, pairs = time.perf_counter(), 0
        for batch in islice(self._data.epoch(epoch, self._config.batch_requests), steps):
            self._step(batch)
            pairs += len(batch.candidate)
        return pairs / (time.perf_counter() - started)

    def row(self, rates: Sequence[float]) -> Row:
        """The path's median rate, and what it has learnt."""
        self._optimizer.settle()
        self._model.eval()
        logmae = fmean(validation_logmae(self._model, self._data).values())
        return Row(self._name, self._precision, median(rates), logmae)

    def _step(self, batch: Batch) -> None:
        rate = self._config.learning_rate * learning_rate_factor(self._done, self._steps, self._config)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group[RATE]
        self._done += 1
        self._model.train()
        most = self._config.max_gradient_norm
        training_step(self._model, self._optimizer, batch, self._loss, self._precision, most)


def throughput_table(rows: Sequence[Row], batch_requests: int, requests_per_day: int) -> Table:
    """A row per path, with its ratio to the first."""
    columns = (
        Column(name="path", kind="text"),
        Column(name="precision", kind="text"),
        Column(name="pairs/s", kind="count"),
        Column(name="ratio", kind="text"),
        Column(name="final LogMAE", kind="text"),
    )
    cells = tuple(
        (
            row.name,
            row.precision,
            round(row.pairs_per_s),
            f"{row.pairs_per_s / rows[0].pairs_per_s:.1f} ×",
            f"{row.logmae:.4f}",
        )
        for row in rows
    )
    threads = torch.get_num_threads()
    title = f"Training, {batch_requests} requests a batch, {requests_per_day} a day, {threads} thread(s)"
    return Table(title=title, columns=columns, rows=cells)


def _oracle() -> ModuleType:
    """The tests' oracle, from its file: tests are no package of an installation."""
    spec = importlib.util.spec_from_file_location("mtmd_oracle", ORACLE)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{ORACLE} can't be imported; run the benchmark from a clone of the repository")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_throughput", description=__doc__)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--days", type=int, default=3, help="days to simulate")
    parser.add_argument("--requests-per-day", type=int, default=4000, help="of the simulated days")
    parser.add_argument("--batch-requests", type=int, default=1024, help="distinct requests in a batch")
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs of each path")
    parser.add_argument("--steps", type=int, default=4, help="updates in a run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
