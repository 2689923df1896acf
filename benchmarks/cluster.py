"""A backfill on one Dask worker and on more: `python -m benchmarks.cluster --workers 1 2`.

Simulates logs, retrains the day before the backfill's first, so that the window's days are extracted, and then runs the
same days with each number of workers, each from a copy of these artifacts. A worker is a process with one thread. The
cluster is started before the clock. Needs the extra `dask`. Prints seconds, and whether the digests of shards and ONNX
files are those of the first case.
"""

import argparse
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console

from benchmarks.runs import told
from mtmd.config import load_preset
from mtmd.flows import runners
from mtmd.flows.backfill import backfill
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.jobs.simulation import simulate_days
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.sha256 import sha256_file


class Case(NamedTuple):
    """A backfill that has ended."""

    workers: int
    seconds: float
    digests: dict[str, str]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row per number of workers; exit status 1 when digests differ."""
    options = _parser().parse_args(arguments)
    load_preset(options.preset)  # a wrong one is refused before a server is started
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 - it imports the whole server

    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started, too
    console = Console(soft_wrap=True, highlight=False)
    with TemporaryDirectory() as folder, prefect_test_harness(server_startup_timeout=240):
        cases = list(measured(options, Path(folder)))
    console.print(table(cases).markdown(), markup=False)
    return int(any(case.digests != cases[0].digests for case in cases))


def measured(options: argparse.Namespace, folder: Path) -> Iterator[Case]:
    """The same days with each number of workers."""
    preset, first = load_preset(options.preset), options.first
    last = first + timedelta(days=options.days - 1)
    logs = folder / "logs"
    simulate_days(last, options.preset, days=preset.window_days + options.days + 1, logs=str(logs))
    given = {"preset": options.preset, "logs": str(logs)}
    daily_retrain(
        as_of=first - timedelta(days=1),
        artifacts=str(folder / "before"),
        promote=False,
        ablations=False,
        **given,
    )
    for workers in options.workers:
        artifacts = folder / f"workers-{workers}"
        shutil.copytree(folder / "before", artifacts)
        with _cluster(workers):
            started = time.monotonic()
            backfill(first=first, last=last, at_once=8, artifacts=str(artifacts), **given)
            seconds = time.monotonic() - started
        yield Case(workers, seconds, digests_of(artifacts / preset.name))


def table(cases: Sequence[Case]) -> Table:
    """One row per number of workers."""
    rows = [
        (
            case.workers,
            case.seconds,
            f"{cases[0].seconds / case.seconds:.2f} ×",
            "yes" if case.digests == cases[0].digests else "no",
        )
        for case in cases
    ]
    columns = (
        Column(name="workers", kind="count"),
        Column(name="seconds"),
        Column(name="as fast as the first", kind="text"),
        Column(name=f"the first's digests ({len(cases[0].digests)} files)", kind="text"),
    )
    return Table(title="A backfill on Dask", columns=columns, rows=tuple(rows))


@contextmanager
def _cluster(workers: int) -> Iterator[None]:
    from distributed import LocalCluster  # noqa: PLC0415 - an extra

    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        os.environ |= {runners.RUNNER: "dask", runners.CLUSTER: cluster.scheduler_address}
        try:
            yield
        finally:
            del os.environ[runners.RUNNER], os.environ[runners.CLUSTER]


def digests_of(line: Path) -> dict[str, str]:
    """Of the shards' matrices and of the models' ONNX files of a line; path → sha256."""
    files = [*line.glob("shards/**/*.arrow"), *line.glob("models/**/*.onnx")]
    return {str(path.relative_to(line)): sha256_file(path) for path in files}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--preset", default="tiny", help="a name, or a path to a .toml")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2026, 1, 25), help="oldest day")
    parser.add_argument("--days", type=int, default=6)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
