"""`mtmd import-kuairand`, and `mtmd fit-teacher` with the report that it prints."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from mtmd.command_line import AsJson, Logs, PresetName, app, console, day_option, errors, literal
from mtmd.config import load_preset
from mtmd.config.problems import wrong_values
from mtmd.errors import ConfigError

if TYPE_CHECKING:
    from mtmd.extras.kuairand.fit import TeacherFitReport, TeacherFitSettings

commands = app()
_COLUMNS = "{:<12}  {:<30}  {:<12}  {:>10}  {:>9}  {:>6}  {:>8}  {:>8}  {:>11}"


@commands.command()
def import_kuairand(
    source: Annotated[Path, typer.Option(metavar="FOLDER", help="has the published .csv or .csv.gz files")],
    preset: Annotated[
        str, typer.Option(help="whose features the tables have: a name, or a path to a .toml")
    ] = "kuairand",
    logs: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="where to; default: the preset's logs")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the teacher's training")] = 0,
) -> None:
    """Turn KuaiRand-Pure files into the log contract."""
    from mtmd.extras.kuairand import adapter

    place = logs or load_preset(preset).logs
    report = adapter.import_kuairand(
        source, place, preset=preset, seed=seed, on_progress=lambda words: console.print(literal(words))
    )
    console.print(report.model_dump_json(indent=2), markup=False)


@commands.command()
def fit_teacher(
    preset: PresetName,
    output: Annotated[str, typer.Option(metavar="FOLDER", help="for the logs with scores")],
    logs: Logs = None,
    first_day: Annotated[date | None, day_option("default: the oldest there is")] = None,
    last_day: Annotated[date | None, day_option("default: the newest there is")] = None,
    seed: Annotated[int, typer.Option(help="of the teachers' training")] = 0,
    members: Annotated[
        int | None, typer.Option(help="teachers in each score; default: 3 to 8, fewer with more rows")
    ] = None,
    maturity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=DAYS",
            help="days after which a task's labels are final: the newest days do not teach it; may be repeated",
        ),
    ] = None,
    memory_gib: Annotated[float, typer.Option(help="most memory that the rows may need")] = 8.0,
    as_json: AsJson = False,
) -> None:
    """Write logs with a teacher's scores, from logs without.

    Teachers are fitted on what users did, and each row is scored by teachers that did not see it.
    """
    from mtmd.extras.kuairand import fit as job
    from mtmd.extras.kuairand.teacher.rows import FOR_LOGS

    settings = _settings(
        first_day=first_day,
        last_day=last_day,
        seed=seed,
        maturity=dict(map(_task_days, maturity or ())),
        memory_gib=memory_gib,
        teacher=FOR_LOGS.model_dump()
        | ({} if members is None else dict.fromkeys(("members", "least_members"), members)),
    )
    report = job.fit_teacher(
        preset, output, settings, logs=logs, on_progress=lambda words: errors.print(literal(words))
    )
    if as_json:
        console.print(report.model_dump_json(indent=2), markup=False)
        return
    for line in report_lines(report):
        console.print(literal(line))


def _task_days(text: str) -> tuple[str, int]:
    task, _, days = text.partition("=")
    if not days.isdecimal():
        raise typer.BadParameter(f"{text!r} must be a task and its days, such as octr=7")
    return task, int(days)


def _settings(**options: object) -> "TeacherFitSettings":
    from mtmd.extras.kuairand.fit import TeacherFitSettings

    try:
        return TeacherFitSettings.model_validate(options)
    except ValidationError as error:
        raise ConfigError(f"the options of fit-teacher are wrong:\n{wrong_values(error)}") from error


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
