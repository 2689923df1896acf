"""Commands of a project folder. `mtmd/cli.py` has all other commands."""

import json
from collections.abc import Iterator
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from mtmd import extension
from mtmd.command_line import AsJson, Lazy, Logs, PresetName, app, console, day_option, literal
from mtmd.config import load_preset
from mtmd.config.preset_files import Said, preset_path, read_said, shipped_presets

commands = app()
DEFAULT = "default"
THIS_FILE = "this file"


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
    for path in create_project(folder, name, proposal):
        console.print(literal(str(path)))
    for line in () if proposal is None else proposal.understood:
        console.print(f"understood: {literal(line)}")
    console.print(
        literal(f"next: cd {folder}, edit preset.toml, then mtmd check and mtmd run; README.md says more")
    )


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
    from mtmd.project.check import check_project
    from mtmd.project.findings import show

    checked = check_project(preset, logs=logs, as_of=as_of)
    if as_json:
        console.print(checked.model_dump_json(indent=2), markup=False)
    else:
        show(checked, console)
    raise typer.Exit(0 if checked.passed else 1)


@commands.command()
def config(preset: PresetName) -> None:
    """Print the keys of a preset with their values and files."""
    from mtmd.project.commands import as_toml

    console.print(as_toml(preset), markup=False)


def _command_of(module: str) -> typer.Typer:
    """A flow's own command: `python -m` that module is the same one. Prefect is imported here, by name alone."""
    command: typer.Typer = import_module(module).command
    return command


@commands.command(cls=Lazy, help="Run the daily job, from logs to a promoted model.")
def run() -> typer.Typer:
    return _command_of("mtmd.flows.daily_retrain")


@commands.command(cls=Lazy, help="Bring the server's automations up to the files.")
def automations() -> typer.Typer:
    return _command_of("mtmd.flows.automations")


def as_toml(name_or_path: str) -> str:
    """All keys of a preset as a TOML file, with the origin of each behind it; a key without a value is a comment.

    Of tasks and features only what differs from the defaults. The origin is `THIS_FILE`, `preset <name>` of a shipped
    one, the path of another file, or `DEFAULT`. Raises ConfigError as `load_preset` does.
    """
    preset = load_preset(name_or_path)
    values = preset.model_dump(mode="json")
    values["domains"]["tasks"] = [task.model_dump(exclude_defaults=True) for task in preset.domains.tasks]
    values["features"] = [
        {"kind": one.kind} | one.model_dump(exclude_defaults=True) for one in preset.features
    ]
    path = preset_path(name_or_path)
    return "\n".join(_lines("", values, read_said(path), path))


def _lines(table: str, values: dict[str, Any], said: Any, path: Path) -> Iterator[str]:
    """Plain keys before tables, as TOML needs it."""
    said = said if isinstance(said, dict) else {}
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if plain and table:
        yield from ("", f"[{table}]")
    for key, value in plain.items():
        origin = _origin(said.get(key), path)
        if value is None:
            yield f"# {key} is not set  # {origin}"
        else:
            first, *more = f"{key} = {_toml(value)}".split("\n")
            yield from (f"{first}  # {origin}", *more)
    for key in (key for key in values if key not in plain):
        yield from _lines(f"{table}.{key}" if table else key, values[key], said.get(key), path)


def _origin(entry: Any, path: Path) -> str:
    if not isinstance(entry, Said):
        return DEFAULT
    if entry.file == path:
        return THIS_FILE
    return f"preset {entry.file.stem}" if entry.file in shipped_presets().values() else str(entry.file)


def _toml(value: Any) -> str:
    """A value as TOML; a list of tables has a line for each."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        entries = [_toml(entry) for entry in value]
        if any(isinstance(entry, dict) for entry in value):
            return "\n".join(("[", *(f"  {entry}," for entry in entries), "]"))
        return f"[{', '.join(entries)}]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike in both
