"""`mtmd fit-teacher`: its options, and the report that it prints."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from mtmd.errors import ConfigError
from mtmd.project.commands import Commands, add_preset, read_day

if TYPE_CHECKING:
    from mtmd.jobs.fit_teacher import TeacherFitReport, TeacherFitSettings

_console = Console(highlight=False, soft_wrap=True)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)
_COLUMNS = "{:<12}  {:<30}  {:<12}  {:>10}  {:>9}  {:>6}  {:>8}  {:>8}  {:>11}"


def add_fit_teacher(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "fit-teacher",
        help="write logs with teacher scores from logs without: fitted on what users did, each row scored unseen",
    )
    add_preset(command)
    command.add_argument("--logs", help="default: the preset's")
    command.add_argument("--output", type=Path, required=True, help="folder for the logs with scores")
    command.add_argument("--first-day", type=read_day, help="YYYY-MM-DD; default: the oldest there is")
    command.add_argument("--last-day", type=read_day, help="YYYY-MM-DD; default: the newest there is")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--members", type=int, help="teachers in each score; default: 3 to 8, fewer with more rows"
    )
    command.add_argument(
        "--maturity",
        type=_task_days,
        action="append",
        default=[],
        metavar="TASK=DAYS",
        help="days after which a task's labels are final: the newest days do not teach it; may be repeated",
    )
    command.add_argument("--memory-gib", type=float, default=8.0, help="most memory that the rows may need")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.set_defaults(run=_fit_teacher)


def _task_days(text: str) -> tuple[str, int]:
    task, _, days = text.partition("=")
    if not days.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} must be a task and its days, such as octr=7")
    return task, int(days)


def _fit_teacher(options: argparse.Namespace) -> None:
    from mtmd.jobs.fit_teacher import fit_teacher

    report = fit_teacher(
        options.preset,
        options.output,
        _settings(options),
        logs=options.logs,
        on_progress=lambda words: _errors.print(escape(words)),
    )
    lines = [report.model_dump_json(indent=2)] if options.json else report_lines(report)
    for line in lines:
        _console.print(line, markup=False)


def _settings(options: argparse.Namespace) -> "TeacherFitSettings":
    from mtmd.jobs.fit_teacher import TeacherFitSettings

    members = {} if options.members is None else dict.fromkeys(("members", "least_members"), options.members)
    try:
        return TeacherFitSettings.model_validate(
            {
                "first_day": options.first_day,
                "last_day": options.last_day,
                "seed": options.seed,
                "maturity": dict(options.maturity),
                "memory_gib": options.memory_gib,
                "teacher": {"start_at_rates": True, **members},
            }
        )
    except ValidationError as error:
        raise ConfigError(f"the options of fit-teacher are wrong:\n{error}") from error


def report_lines(report: "TeacherFitReport") -> Iterator[str]:
    """What a person reads of a fit: first what it did, then each task in all domains, then in each domain."""
    days = report.days
    state = "reused" if report.reused else "written"
    yield f"{report.output}: {len(days)} days, {days[0]} to {days[-1]}, {state}"
    yield (
        f"{report.candidates:,} candidates, {report.shown:,} shown; {report.row_bytes:,} bytes of memory each; "
        f"{report.members} teachers in each score, {report.epochs} epochs, {report.blocks} day blocks; newest days: "
        f"{', '.join(map(str, report.newest_days))}"
    )
    yield (
        f"{report.seconds_reading:.0f} s reading, {report.seconds_fitting:.0f} s fitting, "
        f"{report.seconds_writing:.0f} s writing"
    )
    yield _COLUMNS.format(
        "task", "domain", "days", "shown ads", "actions", "AUC", "log loss", "of rate", "calibration"
    )
    for one in sorted(report.quality, key=lambda one: (one.surface, one.product) != ("all", "all")):
        numbers = (one.auc, one.log_loss, one.log_loss_of_rate, one.calibration)
        yield _COLUMNS.format(
            one.task,
            f"{one.surface} × {one.product}",
            "newest" if one.newest else "cross-fitted",
            f"{one.rows:,}",
            f"{one.actions:,}",
            *("–" if number is None else f"{number:.3f}" for number in numbers),
        )
