"""Peak memory of extraction and training: `python -m benchmarks.memory`.

Each case is DAYSxREQUESTS, a window of so many days with so many requests a day, 16 candidates to each, and runs in a
process of its own: it reads the window day by day, each once for its shard and for the tables that validation asks, as
a run does, and takes some training steps on batches from all of its days. A thread reads the process's own account
every hundredth of a second. *Anonymous* memory is what the process holds; *mapped* are pages of files (shards are
memory-mapped), which the kernel takes back when it wants them, so that only the first must not grow.

One day is simulated and the others link to its files: a day costs the same memory whatever is in it.
"""

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console

from benchmarks.runs import platform_for, told
from mtmd.config import Preset, load_preset
from mtmd.expectations import Needs
from mtmd.extract.pending import PendingShards
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.window import WindowData
from mtmd.logs.files import available_days
from mtmd.model.build import build_model
from mtmd.report.tables.evaluation import Column, Table
from mtmd.run import RunPlan
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.train.optimizer import make_optimizer
from mtmd.train.step import TrainingLoss, choose_precision, training_step
from mtmd.train.trainer import start
from mtmd.validate.gx_duckdb import database
from mtmd.validate.passing import stage_passing

FIRST = date(2026, 1, 1)
LIMIT_MIB = 3 * 1024
_KINDS = {"anonymous": "RssAnon", "mapped": "RssFile", "all": "VmRSS"}


class Case(NamedTuple):
    """A window of `days` days with `requests` requests each."""

    days: int
    requests: int

    @staticmethod
    def parse(text: str) -> "Case":
        """From DAYSxREQUESTS."""
        days, requests = text.split("x")
        return Case(int(days), int(requests))

    def __str__(self) -> str:
        return f"{self.days}x{self.requests}"


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; or measure one case in this process, when the benchmark calls itself."""
    options = _parser().parse_args(arguments)
    if options.measure is not None:
        print(json.dumps(measured(load_preset(options.preset), options.measure, options.steps)))  # noqa: T201
        return 0
    rows = []
    for case in options.cases:
        with TemporaryDirectory(dir=options.directory) as name:
            linked_days(case, load_preset(options.preset), Path(name) / "logs")
            rows.append((case, _in_a_process(options.preset, Path(name), options.steps)))
    table = _table(rows)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def linked_days(case: Case, preset: Preset, logs: Path) -> None:
    """Logs of the case's days, whose files are the first one's."""
    simulate(platform_for(preset, requests_per_day=case.requests), FIRST, FIRST, logs)
    for table in ("requests", "ads", "candidates"):
        for number in range(1, case.days):
            day = logs / table / f"date={FIRST + timedelta(days=number)}"
            day.mkdir()
            for path in (logs / table / f"date={FIRST}").glob("*.parquet"):
                (day / path.name).hardlink_to(path)


def measured(preset: Preset, directory: Path, steps: int) -> dict[str, int]:
    """Peaks in MiB of extraction and training on the logs in `directory`, and the candidates there."""
    days, peaks = available_days(directory / "logs"), {}
    places = {"logs": str(directory / "logs"), "artifacts": str(directory / "artifacts")}
    plan = RunPlan(as_of=days[-1], days=days[:-1], preset=preset, **places)
    with watched() as extraction:
        refs = [_read(plan, day) for day in days]
    with watched() as training:
        _train(preset, refs, steps)
    for phase, peak in (("extraction", extraction), ("training", training)):
        peaks |= {f"{phase} {kind}": value for kind, value in peak.items()}
    return peaks | {"candidates": sum(ref.candidates for ref in refs)}


def _read(plan: RunPlan, day: date) -> ShardRef:
    """Read a day for its validation and its shard; the suites, which ask small tables, are left out."""
    with database() as opened:
        stage_passing(opened, day, plan.preset, dict.fromkeys(Needs, True), PendingShards(plan))
    return extract_day(plan.source, day, plan.preset.declarations, plan.workspace.shards)


@contextmanager
def watched(every_s: float = 0.01) -> Iterator[dict[str, int]]:
    """The highest of each kind of resident memory, in MiB, while the block runs."""
    peak = dict.fromkeys(_KINDS, 0)
    done = threading.Event()

    def watch() -> None:
        while True:
            last = done.is_set()
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            for kind, field in _KINDS.items():
                peak[kind] = max(peak[kind], int(status[field].split()[0]) // 1024)
            if last:
                return
            done.wait(every_s)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _train(preset: Preset, refs: Sequence[ShardRef], steps: int) -> None:
    config = preset.training
    data = WindowData(
        [open_shard(Path(ref.path)) for ref in refs],
        preset.declarations,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
    )
    model = build_model("mtmd", preset)
    start(model, data, config.batch_requests)
    loss = TrainingLoss.of(config, preset.domains.task_names, data.base_rates())
    optimizer = make_optimizer(model, config)
    precision = choose_precision(config)
    for batch in islice(data.epoch(1, config.batch_requests), steps):
        training_step(model.train(), optimizer, batch, loss, precision, config.max_gradient_norm)


def _in_a_process(preset: str, directory: Path, steps: int) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.memory", "--preset", preset, "--measure", str(directory)]
    output = subprocess.run(
        [*command, "--steps", str(steps)], check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, int] = json.loads(output.splitlines()[-1])
    return found


def _table(rows: Sequence[tuple[Case, dict[str, int]]]) -> Table:
    phases = [f"{phase} {kind}" for phase in ("extraction", "training") for kind in _KINDS]
    anonymous = [max(found["extraction anonymous"], found["training anonymous"]) for _, found in rows]
    heads = ("days", "candidates", *phases, "anonymous, first = 1")
    return Table(
        title=f"Peak resident memory in MiB; at most {LIMIT_MIB:,} anonymous, and flat",
        columns=tuple(Column(name=head, kind="text" if "=" in head else "count") for head in heads),
        rows=tuple(
            (
                case.days,
                found["candidates"],
                *(found[phase] for phase in phases),
                f"{peak / anonymous[0]:.2f}",
            )
            for (case, found), peak in zip(rows, anonymous, strict=True)
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    cases = [Case(20, 3125), Case(60, 3125), Case(20, 31_250), Case(20, 156_250)]
    parser.add_argument(
        "--cases",
        type=Case.parse,
        nargs="+",
        default=cases,
        metavar="DAYSxREQUESTS",
        help="windows to measure",
    )
    parser.add_argument("--steps", type=int, default=20, help="of training")
    parser.add_argument(
        "--directory", type=Path, help="where the temporary files go; the system's by default"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
