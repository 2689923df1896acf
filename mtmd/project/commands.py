"""Commands of a project folder, and what `mtmd init` writes. `mtmd/cli.py` has all other commands."""

import re
import shlex
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from mtmd import extension
from mtmd.command_line import Lazy, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.store.files import atomic_directory

commands = app()
Places = Annotated[
    list[str] | None, typer.Option(metavar="PATTERN", help="for --from-logs: which files are this table")
]


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(help="a folder that does not exist yet")],
    name: Annotated[str | None, typer.Option(help="of the preset; default: the folder's name")] = None,
    from_logs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="of logs: preset and SQL are proposed by looking at them"),
    ] = None,
    requests: Places = None,
    ads: Places = None,
    candidates: Places = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ACTION", help="for --from-logs: a score, or a new name, and what happened"
        ),
    ] = None,
) -> None:
    """Make a project: preset, SQL, suites and deployments."""
    from mtmd.project.commands import create_project

    said = {"requests": requests, "ads": ads, "candidates": candidates, "task": task}
    said = {option: values for option, values in said.items() if values}
    if said and from_logs is None:
        raise ConfigError(f"--{next(iter(said))} says what logs are, so it needs --from-logs FOLDER")
    proposal = None
    if from_logs is not None:
        propose = extension.required("proposal", "init", "--from-logs").propose
        proposal = propose(from_logs, said, typer.prompt if sys.stdin.isatty() else None)
    written = (
        create_project(folder, name) if proposal is None else create_project(folder, name, proposal.rewritten)
    )
    for path in written:
        console.print(literal(str(path)))
    for line in () if proposal is None else proposal.understood:
        console.print(f"understood: {literal(line)}")
    then = "mtmd simulate --until 2026-01-25" if proposal is None else "mtmd check"
    run = "" if proposal is None else f" && mtmd run --as-of {proposal.newest} --no-ablations"
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
    import_module("mtmd.flows.server").begin()
    command: typer.Typer = import_module("mtmd.flows.daily_retrain").command
    return command


_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TEMPLATES = files("mtmd.project") / "templates"
_HIDDEN = ("dockerignore", "gitignore")


Rewrite = Callable[[str, str], str]  # a file's path in the project and its text → the text that is proposed


def create_project(
    folder: Path, name: str | None = None, proposed: Rewrite = lambda _, text: text
) -> list[Path]:
    """Make `folder` a project; returns its files. `name` is the preset's, by default the folder's own name.

    `proposed` fits files to logs that are there, as the extra `proposal` does. Raises ConfigError for a folder that
    exists already, which is left as it is, and a name that no preset can have.
    """
    target = folder.absolute()
    name = target.name if name is None else name
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"project name {name!r} must be lower-case letters, digits and hyphens, a letter first, such as my-ads; "
            "choose another folder, or say --name"
        )
    if target.exists():
        raise ConfigError(f"{target} exists already; choose a folder that does not, nothing is overwritten")
    with atomic_directory(target) as directory:
        for path, template in _templates(_TEMPLATES):
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            text = template.read_text(encoding="utf-8").replace("@name@", name)
            place.write_text(proposed(path, text), encoding="utf-8")
    return sorted(path for path in target.rglob("*") if path.is_file())


def _templates(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    """Every template and its path in the project.

    `gitignore` and `dockerignore` are written with their dot. `.template` keeps a Python file from being compiled when
    the package is installed.
    """
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        name = f".{entry.name}" if entry.name in _HIDDEN else entry.name.removesuffix(".template")
        path = f"{above}{name}"
        found += _templates(entry, f"{path}/") if entry.is_dir() else [(path, entry)]
    return found
