"""Commands that read what is stored: text by default, JSON on request."""

from typing import Annotated

import typer
from pydantic import BaseModel, TypeAdapter

from mtmd.command_line import Artifacts, AsJson, PresetName, app, console
from mtmd.config import load_preset
from mtmd.inspect import comparison, models, text
from mtmd.inspect.runs import runs_table
from mtmd.registry.registry import Registry
from mtmd.report import past
from mtmd.store.workspace import Workspace

commands = app()
_A_MODEL = "champion, a model_id, or the beginning of one"
Model = Annotated[str, typer.Argument(metavar="MODEL", help=_A_MODEL)]
First = Annotated[str, typer.Argument(metavar="A", help=_A_MODEL)]
Second = Annotated[str, typer.Argument(metavar="B", help="another one")]


@commands.command()
def status(preset: PresetName, artifacts: Artifacts = "artifacts", as_json: AsJson = False) -> None:
    """Show the champion and recent changes."""
    workspace = _workspace(preset, artifacts)
    found = Registry(workspace.root).status()
    if as_json:
        _print_json(found)
    else:
        text.show_status(found, workspace.place, console)


@commands.command()
def runs(
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="how many, the newest first")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the last runs: day, verdict, model, rows, reason."""
    workspace = _workspace(preset, artifacts)
    found = past.runs(workspace, last)
    if as_json:
        adapter = TypeAdapter(tuple[past.RunLine, ...])
        console.print(adapter.dump_json(found, indent=2).decode(), markup=False)
    else:
        text.show_table(runs_table(found, workspace.place), console)


@commands.command()
def show(
    model: Model, preset: PresetName, artifacts: Artifacts = "artifacts", as_json: AsJson = False
) -> None:
    """Show a model: its origin, gates, proofs and metrics."""
    page = models.page_of(_workspace(preset, artifacts), model)
    if as_json:
        _print_json(page)
    else:
        text.show_model(page, console)


@commands.command()
def compare(
    first: First,
    second: Second,
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    as_json: AsJson = False,
) -> None:
    """Compare two models, slice by slice."""
    compared = comparison.compare(_workspace(preset, artifacts), first, second)
    if as_json:
        _print_json(compared)
    else:
        text.show_comparison(compared, console)


def _workspace(preset: str, artifacts: str) -> Workspace:
    workspace = Workspace.of(artifacts, load_preset(preset))
    Registry(workspace.root).refresh()
    return workspace


def _print_json(found: BaseModel) -> None:
    console.print(found.model_dump_json(indent=2), markup=False)
