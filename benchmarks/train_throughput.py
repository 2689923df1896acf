"""Training throughput of the fast path and of the plain oracle, side by side: `python -m benchmarks.train_throughput`.

Both take the same steps (loss, backward, clipping, AdamW) on the same batches of simulated logs, from the same
weights; the fast path also adds up common weights and differences, which the oracle holds as sums. The oracle of the
tests is MTMD module by module, with every candidate row through both towers. Rounds alternate between the two, so that
a busy moment of the machine hits both; reported are medians.

With as many threads as cores, anything else that runs can slow torch tens of times: its OpenMP threads spin at every
barrier while the one they wait for has no core. `OMP_WAIT_POLICY=passive` in the environment ends that.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from mtmd.config import Preset, load_preset
from mtmd.data import WindowData, extract_day, open_shard
from mtmd.model import build_model
from mtmd.training import TrainingLoss
from mtmd.training.determinism import deterministic
from mtmd.training.optimizer import make_optimizer
from mtmd.training.precision import Precision, choose_precision
from mtmd.training.step import training_step
from mtmd.world import WorldConfig, simulate

TARGET = 4.0  # times the oracle's throughput
FIRST_DAY = date(2026, 1, 1)
SAME_LOSS = 1e-3  # relative; the two paths round differently, in bfloat16 most of all
ORACLE = Path(__file__).parents[1] / "tests" / "model" / "oracle.py"


class Row(NamedTuple):
    """Median pairs per second of both paths in one precision."""

    precision: Precision
    fast: float
    plain: float

    @property
    def ratio(self) -> float:
        return self.fast / self.plain


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, extract, time, and print a table; exit status 1 when the fast path misses its target."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    preset = load_preset(options.preset)
    with TemporaryDirectory() as directory:
        data = demo_shaped(preset, WorldConfig.demo(), options.days, Path(directory))
        rows = compare(preset, data, options.rounds, options.steps)
    console = Console()
    console.print(_table(rows, preset, options.threads))
    return 0 if rows[-1].ratio >= TARGET else 1


def demo_shaped(preset: Preset, world: WorldConfig, days: int, directory: Path) -> WindowData:
    """A training window over a few simulated days."""
    wanted = [FIRST_DAY + timedelta(days=n) for n in range(days)]
    simulate(world, wanted[0], wanted[-1], directory / "logs")
    refs = [extract_day(directory / "logs", day, preset.declarations, directory / "shards") for day in wanted]
    return WindowData(
        [open_shard(Path(ref.path)) for ref in refs],
        preset.declarations,
        validation_fraction=preset.training.validation_fraction,
        seed=preset.training.seed,
    )


def compare(preset: Preset, data: WindowData, rounds: int, steps: int) -> list[Row]:
    """Time both paths in float32, and in the precision that training takes on this machine; the latter is last.

    Raises RuntimeError when the two paths do not have the same loss: then their times compare nothing.
    """
    precisions: list[Precision] = ["float32"]
    if (chosen := choose_precision(preset.training)) not in precisions:
        precisions.append(chosen)
    return [_compare(preset, data, precision, rounds, steps) for precision in precisions]


def _compare(preset: Preset, data: WindowData, precision: Precision, rounds: int, steps: int) -> Row:
    oracle = _oracle()
    fast = build_model("mtmd", preset)
    fast.initialise_bias(data.base_rates())
    plain = oracle.Oracle(preset.declarations, preset.model)
    oracle.copy_weights(fast, plain)
    paths = [_Path(model.train(), data, preset, precision) for model in (fast, plain)]
    with deterministic():
        losses = [path.run(1, 1)[0] for path in paths]  # also warms up
        if abs(losses[0] - losses[1]) > SAME_LOSS * losses[1]:
            raise RuntimeError(f"the fast path's first loss {losses[0]} is not the oracle's, {losses[1]}")
        speeds = [[path.run(epoch, steps)[1] for path in paths] for epoch in range(1, rounds + 1)]
    return Row(precision, *(statistics.median(each) for each in zip(*speeds, strict=True)))


class _Path:
    """One model with its optimizer, and the updates that it makes."""

    def __init__(self, model: nn.Module, data: WindowData, preset: Preset, precision: Precision) -> None:
        self._model, self._data, self._config, self._precision = model, data, preset.training, precision
        self._optimizer = make_optimizer(model, preset.training)
        self._loss = TrainingLoss.of(preset.training, preset.domains.task_names, data.base_rates())

    def run(self, epoch: int, steps: int) -> tuple[float, float]:
        """The last loss, and pairs per second over the first `steps` batches of an epoch, their making included."""
        started, pairs, loss = time.perf_counter(), 0, 0.0
        for batch in islice(self._data.epoch(epoch, self._config.batch_requests), steps):
            loss, _ = training_step(
                self._model,
                self._optimizer,
                batch,
                self._loss,
                self._precision,
                self._config.max_gradient_norm,
            )
            pairs += len(batch.candidate)
        return loss, pairs / (time.perf_counter() - started)


def _oracle() -> ModuleType:
    """The tests' oracle, from its file: tests are no package of an installation."""
    spec = importlib.util.spec_from_file_location("mtmd_oracle", ORACLE)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{ORACLE} can't be imported; run the benchmark from a clone of the repository")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _table(rows: Sequence[Row], preset: Preset, threads: int) -> Table:
    title = f"Training, {preset.training.batch_requests} requests a batch, {threads} thread(s), pairs/s"
    table = Table(title=title, caption=f"target: ≥ {TARGET:g} × in the last row")
    for column in ("precision", "plain oracle", "fast path", "ratio"):
        table.add_column(column, justify="left" if column == "precision" else "right")
    for row in rows:
        table.add_row(row.precision, f"{row.plain:,.0f}", f"{row.fast:,.0f}", f"{row.ratio:.1f} ×")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--days", type=int, default=3, help="days to simulate")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each path")
    parser.add_argument("--steps", type=int, default=3, help="updates in a run")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
