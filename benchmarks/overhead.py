"""What Prefect adds to the daily job: `python -m benchmarks.overhead --as-of 2026-01-25`, after `make run`.

The stages are called one after the other as plain functions, then the flow runs against the server of PREFECT_API_URL,
or one that is started for it. Each does so into empty artifacts and then again, when everything is there. Both times of
a pair do the same work, so their difference is orchestration: runs and states reported to the server, artifacts
rendered and sent, logs kept. The second pair has no training in it and shows the constant without that noise.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from prefect.settings import PREFECT_API_URL
from rich.console import Console

from benchmarks.plain_job import plain_job
from benchmarks.runs import told
from mtmd.config import load_preset
from mtmd.extract import stage as extract_stage
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.promote.stage import RunSummary
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import plan_run
from mtmd.store.files import resolve, write_text
from mtmd.validate import stage as validate_stage


@dataclass(frozen=True)
class Job:
    """One day of one preset's logs."""

    as_of: date
    preset: str
    logs: str


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    logs = load_preset(options.preset).logs if options.logs is None else options.logs
    job = Job(options.as_of, options.preset, str(resolve(logs)))
    with ExitStack() as stack:
        places = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(_server())
        table = measured(job, places)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def _server() -> AbstractContextManager[None]:
    """The one that PREFECT_API_URL names, or one that is started for this."""
    if PREFECT_API_URL.value():
        return nullcontext()
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 - it imports the whole server

    return prefect_test_harness(server_startup_timeout=120)


def measured(job: Job, places: Path) -> Table:
    """Each pair in the order plain, flow; the flow's candidate must be the plain one's, or they did not do the same."""
    rows: list[tuple[Cell, ...]] = []
    _warm(job, str(places / "warm"))
    for what in ("from nothing", "everything there"):
        plain, own = _timed(lambda: _plain(job, str(places / "plain")))
        theirs, flow = _timed(lambda: _flow(job, str(places / "flow")))
        if (plain.model_id, plain.promoted) != (theirs.model_id, theirs.promoted):
            raise RuntimeError(f"the flow made {theirs.model_id}, the plain functions {plain.model_id}")
        rows.append((what, f"{own:.1f}", f"{flow:.1f}", f"{flow - own:+.1f}", f"{flow / own - 1:+.1%}"))
    columns = tuple(
        Column(name=name, kind="text") for name in ("", "plain functions, s", "flow, s", "added, s", "share")
    )
    return Table(
        title=f"The daily job of {job.as_of}, preset {Path(job.preset).stem}",
        columns=columns,
        rows=tuple(rows),
    )


def _warm(job: Job, artifacts: str) -> None:
    """Read the logs and import what only validation imports, so that nobody pays for coming first."""
    plan = plan_run(job.as_of, job.preset, logs=job.logs, artifacts=artifacts)
    quality = validate_stage.validate(plan)
    for day, source in zip(plan.all_days, quality.sources, strict=True):
        extract_stage.extract(plan, day, source)


def _plain(job: Job, artifacts: str) -> RunSummary:
    return plain_job(plan_run(job.as_of, job.preset, logs=job.logs, artifacts=artifacts))[1]


def _flow(job: Job, artifacts: str) -> RunSummary:
    return daily_retrain(
        as_of=job.as_of, preset=job.preset, logs=job.logs, artifacts=artifacts, ablations=False
    )


def _timed(work: Callable[[], RunSummary]) -> tuple[RunSummary, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="the held-out day")
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--logs", help="where the log tables are; the preset's when left out")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="where both jobs' artifacts stay, to look at; what an earlier run left there is not made again",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
