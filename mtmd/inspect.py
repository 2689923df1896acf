"""Commands that read what is stored: text by default, JSON on request."""

from typing import Annotated

import typer
from pydantic import Field, ValidationError
from pydantic_core import to_json

from mtmd.command_line import Artifacts, AsJson, PresetName, app, console, literal
from mtmd.config import Frozen, load_preset
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.evaluate.report import EvaluationReport
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report.document import Document, Section, markdown
from mtmd.report.tables import champions_table, unescaped
from mtmd.store.files import read_json
from mtmd.store.workspace import Workspace

CHAMPION = "champion"
commands = app()
_A_MODEL = "champion, a model_id, or the beginning of one"
_LATEST = 10  # changes of the champion


class StoredModel(Frozen):
    """What `mtmd show` says of a model; its run's gates and verdict are in the run's directory."""

    model_id: str
    live: bool
    manifest: ModelManifest
    metrics: EvaluationReport
    run: str | None = Field(
        description="the run that promoted it, or else the latest about it; None where its record is gone"
    )


def find_model(workspace: Workspace, name: str) -> str:
    """The model id that a name stands for: `champion`, a model_id, or the beginning of only one.

    Raises RegistryError that lists what there is where the name fits none, or several.
    """
    registry = Registry(workspace.root)
    if name == CHAMPION:
        return registry.require_champion().model_id
    names = sorted(path.parent.name for path in registry.models.glob("[!.]*/manifest.json"))
    fitting = [name] if name in names else [known for known in names if known.startswith(name)]
    if len(fitting) != 1:
        raise RegistryError(
            f"{name!r} is the beginning of {len(fitting)} models in {registry.models}: {fitting[:5]}",
            f"use {CHAMPION!r}, or the beginning of one of {names[-5:]}",
        )
    return fitting[0]


def stored_model(workspace: Workspace, name: str) -> StoredModel:
    """What is stored of a model; raises as `find_model` does, and BundleError where its metrics cannot be read."""
    from mtmd.report.line import made_by

    model_id = find_model(workspace, name)
    registry = Registry(workspace.root)
    champion, run = registry.champion(), made_by(workspace, model_id)
    path = registry.path(model_id) / "metrics.json"
    try:
        metrics = EvaluationReport.model_validate(read_json(path))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"{path} of model {model_id!r} cannot be read: {error}") from error
    return StoredModel(
        model_id=model_id,
        live=champion is not None and champion.model_id == model_id,
        manifest=registry.manifest(model_id),
        metrics=metrics,
        run=run and run.name,
    )


@commands.command()
def status(preset: PresetName, artifacts: Artifacts = "artifacts", as_json: AsJson = False) -> None:
    """Show the champion and recent changes."""
    workspace = _workspace(preset, artifacts)
    registry = Registry(workspace.root)
    champion, latest = registry.champion(), registry.history()[-_LATEST:]
    if as_json:
        _print_json({"champion": champion, "history": latest})
        return
    title = f"champion {champion.model_id}, as_of {champion.as_of}" if champion else "no champion"
    facts = (
        *([("rollout", champion.answers)] if champion and champion.partner else []),
        ("line", workspace.place),
        ("a rollback goes to", (champion and champion.previous) or "none"),
        ("rolled back", ", ".join(champion.rolled_back if champion else ()) or "none"),
    )
    changes = Section("", "", 0, [champions_table(latest)])
    print_document(Document(title, "", facts=facts, sections=(changes,)))


@commands.command()
def runs(
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="how many, the newest first")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the last runs: day, verdict, LogMAE, model."""
    from mtmd.report.index import days_table
    from mtmd.report.line import read_line

    line = read_line(_workspace(preset, artifacts).root)
    if as_json:
        _print_json(line.runs[:last])
        return
    console.print(literal(unescaped(f"\n{days_table(line, last).markdown()}")))


@commands.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=_A_MODEL)],
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    as_json: AsJson = False,
) -> None:
    """Show a model: its run's report, or its origin."""
    from mtmd.report.evaluation import metrics_table
    from mtmd.report.line import MARKDOWN, lineage

    workspace = _workspace(preset, artifacts)
    found = stored_model(workspace, model)
    if as_json:
        _print_json(found)
        return
    console.print(literal(f"{found.model_id}{' (live)' if found.live else ''}\n"))
    report = workspace.root / "runs" / (found.run or "") / MARKDOWN
    if report.is_file():
        console.print(literal(unescaped(report.read_text(encoding="utf-8"))))
        return
    tables = Section("", "", 0, [lineage(found.manifest), metrics_table(found.metrics)])
    print_document(Document("The report of its run is gone", "", sections=(tables,)))


def _workspace(preset: str, artifacts: str) -> Workspace:
    workspace = Workspace.of(artifacts, load_preset(preset))
    Registry(workspace.root).refresh()
    return workspace


def _print_json(found: object) -> None:
    console.print(to_json(found, indent=2).decode(), markup=False)


def print_document(document: Document) -> None:
    """As its Markdown has it, without pictures."""
    console.print(literal(unescaped(markdown(document, pictures=False))))
