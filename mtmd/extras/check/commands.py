"""`mtmd check`."""

import shlex
from datetime import date
from typing import Annotated

import typer

from mtmd.command_line import AsJson, Logs, PresetName, app, console, day_option, literal
from mtmd.config.preset_files import default_preset

commands = app()


@commands.command()
def check(
    preset: PresetName,
    logs: Logs = None,
    as_of: Annotated[
        date | None, day_option("day whose rows are read; default: the newest that all tables have")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say all that is wrong with a preset and its logs.

    The exit status is 1 if anything is.
    """
    from mtmd.extras.check.check import check_project
    from mtmd.extras.check.findings import show

    checked = check_project(preset, logs=logs, as_of=as_of)
    if as_json:
        console.print(checked.model_dump_json(indent=2), markup=False)
    else:
        show(checked, console)
        if checked.passed:
            given = {"--preset": preset if preset != default_preset() else None, "--logs": logs}
            options = "".join(f" {name} {shlex.quote(value)}" for name, value in given.items() if value)
            day = f"--as-of {as_of}" if as_of else "--newest"
            console.print(literal(f"next: mtmd run {day} --no-ablations{options}"))
    raise typer.Exit(0 if checked.passed else 1)
