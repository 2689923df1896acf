"""What fitted teacher scores are worth where the truth is known: `python -m benchmarks.fitted_teacher`.

A simulated platform logs the scores of its own heavyweight ranker, which are calibrated by construction. `mtmd
fit-teacher` does not read them; here its scores are compared with them. The constant that stands beside is what a team
has without any ranker: the mean action of the shown ads.
"""

import argparse
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.runs import platform_for, told
from mtmd.config import Preset, load_preset
from mtmd.jobs.fit_teacher import TeacherFitReport, TeacherFitSettings, fit_teacher
from mtmd.logs.files import day_directory
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.teacher.config import FOR_LOGS

FIRST = date(2026, 1, 1)
_COLUMNS = (
    ("task", "text"), ("days", "text"), ("ads", "text"), ("rows", "count"), ("LogMAE", "number"),
    ("of the constant", "number"), ("correlation of logs", "number"), ("mean score / truth", "number"),
)  # fmt: skip


class Scored(NamedTuple):
    """Candidates that have a task, (N,) each: the platform's score, the fitted one, whether it was shown, its label."""

    truth: NDArray[np.float64]
    score: NDArray[np.float64]
    shown: NDArray[np.bool_]
    label: NDArray[np.bool_]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    console = Console(soft_wrap=True, highlight=False)
    members = {} if options.members is None else dict.fromkeys(("members", "least_members"), options.members)
    settings = TeacherFitSettings(teacher=FOR_LOGS.model_copy(update=members))
    with TemporaryDirectory(dir=options.directory) as directory:
        logs, output = Path(directory) / "logs", Path(directory) / "output"
        world = platform_for(preset, options.seed, requests_per_day=options.requests_per_day)
        simulate(world, FIRST, FIRST + timedelta(days=options.days - 1), logs)
        report = fit_teacher(options.preset, output, settings, logs=str(logs), on_progress=console.print)
        table = Table(
            title=f"{report.candidates:,} candidates, {report.shown:,} shown, {report.members} members, "
            f"{report.epochs} epochs, {report.seconds_fitting:.0f} s",
            columns=tuple(Column.model_validate({"name": name, "kind": kind}) for name, kind in _COLUMNS),
            rows=tuple(compared(logs, output, report, preset)),
        )
    console.print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def compared(
    logs: Path, output: Path, report: TeacherFitReport, preset: Preset
) -> Iterator[tuple[Cell, ...]]:
    """A row for each task, part of the days, and shown or other ads."""
    cross_fitted = [day for day in report.days if day not in report.newest_days]
    for task in preset.domains.tasks:
        for name, days in (("cross-fitted", cross_fitted), ("newest", [*report.newest_days])):
            rows = scored(logs, output, days, task.name, task.label)
            rate = rows.label[rows.shown].mean()
            for which, where in (("shown", rows.shown), ("not shown", ~rows.shown)):
                truth, score = rows.truth[where], rows.score[where]
                yield (
                    task.name,
                    name,
                    which,
                    len(truth),
                    float(np.abs(np.log(score / truth)).mean()),
                    float(np.abs(np.log(rate / truth)).mean()),
                    float(np.corrcoef(np.log(score), np.log(truth))[0, 1]),
                    float(score.mean() / truth.mean()),
                )


def scored(logs: Path, output: Path, days: Sequence[date], task: str, label: str) -> Scored:
    """The candidates of some days that have the task, as the platform scores them and as they were scored."""
    keys = [("request_id", "ascending"), ("ad_id", "ascending")]
    parts = []
    for day in days:
        true, fitted = (
            pq.read_table(day_directory(root, "candidates", day), partitioning=None).sort_by(keys)
            for root in (logs, output)
        )
        has = np.asarray(true[task].is_valid())
        happened = np.asarray(true[label].fill_null(False))
        columns = (true[task].to_numpy(), fitted[task].to_numpy(), np.asarray(true["impressed"]), happened)
        parts.append([column[has] for column in columns])
    return Scored(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fitted_teacher", description=__doc__)
    parser.add_argument("--preset", default="demo", help="one that the platform can write for")
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--requests-per-day", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the platform")
    parser.add_argument(
        "--members", type=int, help="teachers in each score; fit-teacher's own number by default"
    )
    parser.add_argument("--directory", type=Path, help="where temporary files go; the system's by default")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
