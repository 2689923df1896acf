"""What is left of a training's speed on a busy machine: `python -m benchmarks.busy`.

Contestants take the same steps on the same simulated days: one training with one thread, with two, with two that wait
otherwise, and two trainings with a thread each, whose rows add up. Beside them run processes that only count. Each
contestant has processes of its own, since OpenMP reads once how its threads wait. Contestants alternate in every try.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from rich.console import Console

from benchmarks.runs import at_least, platform_for
from benchmarks.train_throughput import demo_shaped
from mtmd.config import load_preset
from mtmd.extract.shards import open_shard
from mtmd.extract.window import WindowData
from mtmd.model.ranker import build_model
from mtmd.report.tables import Column, Table
from mtmd.train.optimizer import make_optimizer
from mtmd.train.step import TrainingLoss, choose_precision, deterministic, training_step

_FLOWS = {"OMP_WAIT_POLICY": "PASSIVE"}  # as flows/__init__.py
# Threads of each training, how many there are, and what the environment says of waiting.
CONTESTANTS: dict[str, tuple[int, int, dict[str, str]]] = {
    "1 thread": (1, 1, _FLOWS),
    "2 threads, as torch comes": (2, 1, {}),
    "2 threads that spin 5,000 times": (2, 1, _FLOWS | {"GOMP_SPINCOUNT": "5000"}),
    "2 threads that sleep": (2, 1, _FLOWS),
    "2 trainings, 1 thread each": (1, 2, _FLOWS),
}
_COUNTING = "while True: pass"
Key = tuple[str, int]  # contestant, and processes beside it


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; with `--train`, be one of the trainings."""
    options = _parser().parse_args(arguments)
    if options.train is not None:
        return _train(options)
    with TemporaryDirectory() as place, ExitStack() as running:
        preset = load_preset(options.preset)
        demo_shaped(preset, platform_for(preset, requests_per_day=options.requests_per_day), 2, Path(place))
        trainings = {name: [running.enter_context(_started(options, place, name)) for _ in range(CONTESTANTS[name][1])]
                     for name in CONTESTANTS}  # fmt: skip
        table = busy_table(_measured(options, trainings))
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    return 0


def _measured(
    options: argparse.Namespace, trainings: dict[str, list["subprocess.Popen[str]"]]
) -> dict[Key, list[float]]:
    """Rows a second of each try."""
    rates: dict[Key, list[float]] = {}
    for beside in [beside for _ in range(options.tries) for beside in options.busy]:
        counting = [subprocess.Popen([sys.executable, "-c", _COUNTING]) for _ in range(beside)]
        try:
            for name, processes in trainings.items():
                rates.setdefault((name, beside), []).append(sum(_rates(processes)))
        finally:
            for process in counting:
                process.kill()
                process.wait()
    return rates


def _rates(processes: Sequence["subprocess.Popen[str]"]) -> list[float]:
    """Let trainings go on for a moment, all at once: the rows a second of each."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [float(process.stdout.readline()) for process in processes if process.stdout is not None]


@contextmanager
def _started(options: argparse.Namespace, place: str, name: str) -> Iterator["subprocess.Popen[str]"]:
    threads, _, waiting = CONTESTANTS[name]
    command = [sys.executable, "-m", "benchmarks.busy", "--preset", options.preset, "--train", place]
    command += ["--threads", str(threads), "--seconds", str(options.seconds)]
    ours = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {key: value for key, value in os.environ.items() if key not in ours} | waiting
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _train(options: argparse.Namespace) -> int:
    """Train for a moment at each line of the standard input, and print the rows a second."""
    torch.set_num_threads(options.threads)
    preset = load_preset(options.preset)
    training, shards = preset.training, sorted(options.train.glob("shards/date=*/*"))
    data = WindowData([open_shard(path) for path in shards], preset.declarations,
                      validation_fraction=training.validation_fraction, seed=training.seed)  # fmt: skip
    model = build_model(preset.candidate, preset)
    optimizer, precision = make_optimizer(model, training), choose_precision(training)
    loss = TrainingLoss.of(training, preset.domains.tasks, data.base_rates())
    batches = (batch for epoch in count(1) for batch in data.epoch(epoch, training.batch_requests))
    with deterministic():
        for _ in sys.stdin:
            started, rows = time.perf_counter(), 0
            while time.perf_counter() - started < options.seconds:
                batch = next(batches)
                training_step(model, optimizer, batch, loss, precision, training.max_gradient_norm)
                rows += len(batch.candidate)
            sys.stdout.write(f"{rows / (time.perf_counter() - started)}\n")
            sys.stdout.flush()
    return 0


def busy_table(rates: dict[Key, list[float]]) -> Table:
    """Medians over tries, and with processes beside it the share of what the contestant has alone."""
    beside = sorted({number for _, number in rates})
    columns = (
        Column(name="contestant", kind="text"),
        *(Column(name=f"{n} busy", kind="text") for n in beside),
    )
    rows = []
    for name in dict.fromkeys(name for name, _ in rates):
        of = [median(rates[name, number]) for number in beside]
        rows.append((name, *(f"{rate:,.0f} ({rate / of[0]:.0%})" for rate in of)))
    return Table(title="Rows a second beside processes that count", columns=columns, rows=tuple(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--requests-per-day", type=at_least(1), default=4000, help="of the simulated days")
    parser.add_argument("--busy", type=at_least(0), nargs="+", default=[0, 1, 2], help="processes that count")
    parser.add_argument("--tries", type=at_least(1), default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--threads", type=at_least(1), default=1, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
