"""Rows a second of training by device and by ranks: `python -m benchmarks.devices`.

A case is DEVICE:RANKSxTHREADS, such as cpu:2x1 for two ranks of one thread each. All cases train MTMD of the preset
over the same simulated days for one epoch, by the code of the daily run, and take turns, so that a busy moment of the
machine hits each. Rates are those of the training's record: pairs a second, without validation and without the start of
processes, which stands beside it. The second table has what ranks tell each other in one step, and what they would if
they exchanged whole embedding tables.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.runs import platform_for, told
from benchmarks.train_throughput import FIRST_DAY
from mtmd.config import Preset, load_preset
from mtmd.extract.shards import ShardRef
from mtmd.extract.stage import extract_day
from mtmd.extract.window import Share
from mtmd.logs.source import LogSource
from mtmd.model.build import build_model
from mtmd.report.tables.evaluation import Column, Table
from mtmd.run import RunPlan, plan_window
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.train.optimizer import make_optimizer
from mtmd.train.stage import require_machine, train, window_data
from mtmd.train.step import TrainingLoss, choose_precision, training_step

CASES = ("cpu:1x2", "cpu:2x1")
TWINS = 5e-3  # relative difference of training losses between ranks, in bfloat16 too


class Case(NamedTuple):
    """What trains."""

    device: str
    ranks: int
    threads: int  # of each rank

    @classmethod
    def of(cls, text: str) -> "Case":
        """Raises ValueError for a text that is no case."""
        device, _, shape = text.partition(":")
        ranks, _, threads = shape.partition("x")
        if device not in ("cpu", "cuda"):
            raise ValueError(
                f"case {text!r} has device {device!r}; it must be cpu or cuda, such as in cpu:2x1"
            )
        return cls(device, int(ranks), int(threads))

    def __str__(self) -> str:
        return f"{self.device}, {self.ranks} rank(s) × {self.threads} thread(s)"


class Trial(NamedTuple):
    """One training of a case."""

    rows_per_s: float
    outside_s: float  # seconds besides training and validation: processes, statistics of the window, files
    train_loss: float


class Exchange(NamedTuple):
    """What a rank does in one step, and the megabytes that it adds to the sums."""

    ads: float  # of the whole batch's distinct ads, the share that its part has
    work: float  # its matrix products, as a share of the whole batch's
    dense: float  # gradients outside the tables
    rows: float  # rows of tables that it read, and their gradients
    tables: float  # gradients of whole tables


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, extract, train in turns, and print two tables."""
    options = _parser().parse_args(arguments)
    cases = [Case.of(text) for text in options.cases]
    preset = load_preset(options.preset)
    training = preset.training.model_copy(update={"batch_requests": options.batch_requests, "epochs": 1})
    preset = preset.model_copy(update={"training": training})
    for case in cases:
        require_machine(_preset_of(preset, case))
    with TemporaryDirectory() as directory:
        plan, window = demo_window(preset, options.requests_per_day, options.days, Path(directory))
        trials = compare(plan, window, cases, options.rounds)
        exchanged = [exchange(plan, window, case.ranks) for case in cases if case.ranks > 1]
    busy = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    tables = [rates_table(cases, trials, f"{options.batch_requests} requests a batch, {busy}")]
    if exchanged:
        tables.append(exchange_table([case for case in cases if case.ranks > 1], exchanged))
    text = "\n".join(table.markdown() for table in tables)
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def demo_window(
    preset: Preset, requests_per_day: int, days: int, directory: Path
) -> tuple[RunPlan, list[ShardRef]]:
    """A plan over a few simulated days, and their shards."""
    wanted = plan_window(FIRST_DAY, days)
    logs = directory / "logs"
    simulate(platform_for(preset, requests_per_day=requests_per_day), wanted[0], wanted[-1], logs)
    plan = RunPlan(
        as_of=FIRST_DAY, days=wanted, preset=preset, logs=str(logs), artifacts=str(directory / "artifacts")
    )
    source = LogSource(logs)
    return plan, [extract_day(source, day, preset.declarations, directory / "shards") for day in wanted]


def compare(
    plan: RunPlan, window: Sequence[ShardRef], cases: Sequence[Case], rounds: int
) -> list[list[Trial]]:
    """The trials of each case; raises RuntimeError where ranks of one device learn different things."""
    trials: list[list[Trial]] = [[] for _ in cases]
    for number in range(rounds):
        for case, own in zip(cases, trials, strict=True):
            own.append(_trial(plan, window, case, f"{plan.artifacts}-{number}"))
    by_device = {case.device: own[0].train_loss for case, own in zip(cases, trials, strict=True)}
    for case, own in zip(cases, trials, strict=True):
        if abs(own[0].train_loss / by_device[case.device] - 1.0) > TWINS:
            raise RuntimeError(
                f"{case} ends at a training loss of {own[0].train_loss}, others at {by_device[case.device]}"
            )
    return trials


def _preset_of(preset: Preset, case: Case) -> Preset:
    changes = {"device": case.device, "ranks": case.ranks}
    return preset.model_copy(update={"training": preset.training.model_copy(update=changes)})


def _trial(plan: RunPlan, window: Sequence[ShardRef], case: Case, artifacts: str) -> Trial:
    threads = torch.get_num_threads()
    torch.set_num_threads(case.ranks * case.threads)  # ranks have them between them
    changed = {
        "preset": _preset_of(plan.preset, case),
        "artifacts": f"{artifacts}-{case.device}-{case.threads}",
    }
    started = time.perf_counter()
    try:
        fit = train(plan.model_copy(update=changed), "mtmd", window).fit
    finally:
        torch.set_num_threads(threads)
    outside = time.perf_counter() - started - fit.seconds
    return Trial(fit.rows_per_s, outside, fit.epochs[0].train_loss)


def exchange(plan: RunPlan, window: Sequence[ShardRef], ranks: int) -> Exchange:
    """What the first rank does and sends in a step, from its part of one batch."""
    preset, requests = plan.preset, plan.preset.training.batch_requests
    whole = next(window_data(plan, window).epoch(1, requests))
    data = window_data(plan, window, Share(0, ranks))
    part = next(data.epoch(1, requests))
    model = build_model("mtmd", preset)
    optimizer = make_optimizer(model, preset.training)
    loss = TrainingLoss.of(preset.training, preset.domains.task_names, data.base_rates())
    operations = []
    for batch in (whole, part):
        with FlopCounterMode(display=False) as counter:
            training_step(model, optimizer, batch, loss, choose_precision(preset.training), 1.0)
        operations.append(counter.get_total_flops())
    tables = optimizer.tables
    places = {id(table) for table in tables}
    dense = sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in places)
    rows = sum(
        (4 * table.shape[1] + 8) * len(table.grad.coalesce().indices()[0])
        for table in tables
        if table.grad is not None
    )
    return Exchange(
        ads=len(part.item.continuous) / len(whole.item.continuous),
        work=operations[1] / operations[0],
        dense=4 * dense / 1e6,
        rows=rows / 1e6,
        tables=4 * sum(table.numel() for table in tables) / 1e6,
    )


def rates_table(cases: Sequence[Case], trials: Sequence[Sequence[Trial]], note: str) -> Table:
    """A row per case, with its ratio to the first."""
    columns = (
        Column(name="case", kind="text"),
        Column(name="pairs/s", kind="count"),
        Column(name="ratio", kind="text"),
        Column(name="runs", kind="text"),
        Column(name="besides training", kind="text"),
        Column(name="training loss", kind="text"),
    )
    rates = [median(one.rows_per_s for one in own) for own in trials]
    rows = tuple(
        (
            str(case),
            round(rate),
            f"{rate / rates[0]:.2f} ×",
            ", ".join(f"{one.rows_per_s:,.0f}" for one in own),
            f"{median(one.outside_s for one in own):.1f} s",
            f"{own[0].train_loss:.6f}",
        )
        for case, rate, own in zip(cases, rates, trials, strict=True)
    )
    return Table(title=f"Training by device and ranks, {note}", columns=columns, rows=rows)


def exchange_table(cases: Sequence[Case], exchanged: Sequence[Exchange]) -> Table:
    """A row per case of several ranks."""
    columns = (
        Column(name="case", kind="text"),
        Column(name="distinct ads", kind="text"),
        Column(name="matrix products", kind="text"),
        Column(name="other gradients", kind="text"),
        Column(name="rows that were read", kind="text"),
        Column(name="whole tables instead", kind="text"),
    )
    rows = tuple(
        (str(case), *(f"{share:.0%}" for share in one[:2]), *(f"{megabytes:.2f} MB" for megabytes in one[2:]))
        for case, one in zip(cases, exchanged, strict=True)
    )
    return Table(title="What a rank does of a batch, and sends", columns=columns, rows=rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devices", description=__doc__)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="DEVICE:RANKSxTHREADS")
    parser.add_argument("--days", type=int, default=2, help="days to simulate")
    parser.add_argument("--requests-per-day", type=int, default=4000, help="of the simulated days")
    parser.add_argument("--batch-requests", type=int, default=256, help="distinct requests in a batch")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each case")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
