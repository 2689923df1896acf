"""Commands of a project folder. `mtmd/cli.py` has all other commands."""

import shlex
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mtmd import extension
from mtmd.command_line import Lazy, PresetName, app, console, literal
from mtmd.config import load_preset

commands = app()


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(help="a folder that does not exist yet")],
    name: Annotated[str | None, typer.Option(help="of the preset; default: the folder's name")] = None,
    from_logs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="of logs: preset and SQL are proposed by looking at them"),
    ] = None,
) -> None:
    """Make a project: preset, SQL, suites and deployments."""
    from mtmd.project.scaffold import create_project

    proposal = None
    if from_logs is not None:
        proposal = extension.required("proposal", "init", "--from-logs").propose(from_logs)
    written = (
        create_project(folder, name) if proposal is None else create_project(folder, name, proposal.rewritten)
    )
    for path in written:
        console.print(literal(str(path)))
    for line in () if proposal is None else proposal.understood:
        console.print(f"understood: {literal(line)}")
    then = "mtmd simulate --until 2026-01-25" if proposal is None else "mtmd check"
    run = "" if proposal is None else f" && mtmd run --as-of {proposal.newest}"
    console.print(literal(f"next: cd {shlex.quote(str(folder))} && {then}{run}; README.md says more"))


@commands.command()
def config(preset: PresetName) -> None:
    """Print every value of a preset as JSON.

    Those of its base and the defaults, too.
    """
    console.print(load_preset(preset).model_dump_json(indent=2), markup=False)


@commands.command(cls=Lazy, help="Run the daily job, from logs to a promoted model.")
def run() -> typer.Typer:
    """The flow's own command: `python -m` that module is the same one. Prefect is imported here, by name alone."""
    command: typer.Typer = import_module("mtmd.flows.daily_retrain").command
    return command
