"""`mtmd import-kuairand` and `mtmd fit-teacher`; each prints its report as JSON."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mtmd.command_line import Logs, PresetName, app, console, day_option, errors, literal
from mtmd.config import load_preset

commands = app()
_Seed = Annotated[int, typer.Option(min=0, max=2**62 - 1, help="of the teachers' training")]


def _say(words: str) -> None:
    errors.print(literal(words))


@commands.command()
def import_kuairand(
    source: Annotated[Path, typer.Option(metavar="FOLDER", help="has the published .csv or .csv.gz files")],
    preset: Annotated[
        str, typer.Option(help="whose features the tables have: a name, or a path to a .toml")
    ] = "kuairand",
    logs: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="where to; default: the preset's logs")
    ] = None,
    seed: _Seed = 0,
) -> None:
    """Turn KuaiRand-Pure files into the log contract."""
    from mtmd.extras.kuairand import fit as job

    place = logs or load_preset(preset).logs
    report = job.import_kuairand(source, place, preset=preset, seed=seed, on_progress=_say)
    console.print(report.model_dump_json(indent=2), markup=False)


@commands.command()
def fit_teacher(
    preset: PresetName,
    output: Annotated[str, typer.Option(metavar="FOLDER", help="for the logs with scores")],
    logs: Logs = None,
    first_day: Annotated[date | None, day_option("default: the oldest there is")] = None,
    last_day: Annotated[date | None, day_option("default: the newest there is")] = None,
    seed: _Seed = 0,
    members: Annotated[int, typer.Option(min=1, help="teachers in each score")] = 8,
) -> None:
    """Write logs with a teacher's scores, from logs without.

    Teachers are fitted on what users did, and each day is scored by teachers of earlier days.
    """
    from mtmd.extras.kuairand import fit as job
    from mtmd.extras.kuairand.rows import TeacherConfig

    report = job.fit_teacher(
        preset,
        output,
        logs=logs,
        first_day=first_day or date.min,
        last_day=last_day or date.max,
        seed=seed,
        teacher=TeacherConfig(members=members),
        on_progress=_say,
    )
    console.print(report.model_dump_json(indent=2), markup=False)
