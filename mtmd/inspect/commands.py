"""Commands that read what is stored: text by default, JSON on request."""

from collections.abc import Iterable
from typing import Annotated

import typer
from pydantic import Field, ValidationError
from pydantic_core import to_json

from mtmd.command_line import Artifacts, AsJson, PresetName, app, console, literal
from mtmd.config import Frozen, load_preset
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.evaluate.report import EvaluationReport
from mtmd.promote.findings import GateResult
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report import index
from mtmd.report.evaluation import metrics_table
from mtmd.report.line import read_line
from mtmd.report.past import decision, made_by
from mtmd.report.tables import Table, columns_of, number, short
from mtmd.store.files import read_json
from mtmd.store.workspace import Workspace

CHAMPION = "champion"
MARKDOWN = "report.md"  # of a run, as the run's page has it
commands = app()
_A_MODEL = "champion, a model_id, or the beginning of one"
_REASON = 40  # characters of a reason in a table
_LATEST = 10  # changes of the champion


class StoredModel(Frozen):
    """All that `mtmd show` says of a model."""

    model_id: str
    live: bool
    manifest: ModelManifest
    metrics: EvaluationReport
    run: str | None = Field(
        description="the run that promoted it, or else the latest about it; None where its record is gone"
    )
    verdict: str | None
    gates: tuple[GateResult, ...]

    @property
    def started_from(self) -> str:
        """What its training went on from."""
        if (start := self.manifest.started_from) is None:
            return "nothing: a full retrain"
        days = (self.manifest.as_of - start.full_as_of).days
        when = f"{days} day{'' if days == 1 else 's'} before"
        return f"{start.model_id}; last full retrain: {start.full_model_id}, {when}"


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
    model_id = find_model(workspace, name)
    registry = Registry(workspace.root)
    champion = registry.champion()
    run = made_by(workspace, model_id)
    decided = None if run is None else decision(run)
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
        run=None if run is None else run.name,
        verdict=None if decided is None else decided.words,
        gates=() if decided is None else decided.verdict.gates,
    )


def markdown_of(workspace: Workspace, run: str | None) -> str:
    """The Markdown that a run's page was written with; empty where there is none."""
    path = workspace.root / "runs" / (run or "") / MARKDOWN
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@commands.command()
def status(preset: PresetName, artifacts: Artifacts = "artifacts", as_json: AsJson = False) -> None:
    """Show the champion and recent changes."""
    workspace = _workspace(preset, artifacts)
    registry = Registry(workspace.root)
    champion, latest = registry.champion(), registry.history()[-_LATEST:]
    if as_json:
        _print_json({"champion": champion, "history": latest})
        return
    if champion is None:
        facts: list[tuple[str, object]] = [("champion", "none: no run has promoted a model yet")]
    else:
        facts = [
            ("champion", champion.model_id),
            ("as_of", champion.as_of),
            ("before it", champion.previous or "none: there is nothing to roll back to"),
            ("rolled back", ", ".join(champion.rolled_back) or "none"),
        ]
    _print_facts([("line", workspace.place), *facts])
    rows = [
        (f"{one.at:%Y-%m-%d %H:%M}", one.action, one.about or one.model_id, one.model_id, one.reason)
        for one in latest
    ]
    if rows:
        names = ("at (UTC)", "change", "of model", "live then", "reason")
        _print_table("latest changes, oldest first", names, rows)


@commands.command()
def runs(
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="how many, the newest first")] = 10,
    as_json: AsJson = False,
    write_index: Annotated[
        bool, typer.Option("--write-index", help="write the index pages of all lines again, and list nothing")
    ] = False,
) -> None:
    """List the last runs: day, verdict, model, rows, reason."""
    if write_index:
        console.print(literal(str(index.write_index(artifacts))))
        return
    workspace = _workspace(preset, artifacts)
    line = read_line(workspace.root)
    found = sorted(line.runs, key=lambda run: (run.at, run.as_of), reverse=True)[:last]
    if as_json:
        _print_json(found)
        return
    rows = [
        (
            *(f"{run.as_of}", f"{run.at:%Y-%m-%d %H:%M}", line.verdict(run), run.model_id or "–"),
            *(number(run.rows, ",d"), number(run.training_seconds, ".0f"), run.reason),
        )
        for run in found
    ]
    names = ("as_of", "decided (UTC)", "verdict", "model", "rows", "train s", "why")
    _print_table(f"the last {len(rows)} runs of {workspace.place}", names, rows)


@commands.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=_A_MODEL)],
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    as_json: AsJson = False,
) -> None:
    """Show a model: its origin, proofs and its run's report."""
    workspace = _workspace(preset, artifacts)
    found = stored_model(workspace, model)
    if as_json:
        _print_json(found)
        return
    _print_facts(_facts(found))
    text = markdown_of(workspace, found.run) or metrics_table(found.metrics).markdown()
    console.print(literal(f"\n{text}"))


def _facts(found: StoredModel) -> Iterable[tuple[str, object]]:
    manifest = found.manifest
    days = sorted(manifest.window)
    yield "model", f"{found.model_id}{' (live)' if found.live else ''}"
    yield "as_of", manifest.as_of
    yield "trained on", f"{days[0]} to {days[-1]} ({len(days)} days)"
    yield "started from", found.started_from
    yield "commit", manifest.git_commit or "unknown: made outside a repository"
    yield "seeds", ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())
    yield "packages", ", ".join(f"{name} {version}" for name, version in manifest.packages.items())
    yield "content", manifest.bundle_id
    yield "run", found.run or "its record is gone"
    yield "verdict", found.verdict or "–"
    yield from ((f"gate {gate.name}", f"{gate.words}: {gate.detail}") for gate in found.gates)


def _workspace(preset: str, artifacts: str) -> Workspace:
    workspace = Workspace.of(artifacts, load_preset(preset))
    Registry(workspace.root).refresh()
    return workspace


def _print_json(found: object) -> None:
    console.print(to_json(found, indent=2).decode(), markup=False)


def _print_table(title: str, names: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Rows of text, whose last column, a reason, is shortened."""
    shown = tuple((*row[:-1], short(row[-1], _REASON)) for row in rows)
    table = Table(title=title, columns=columns_of("text", names), rows=shown)
    console.print(literal(f"\n{table.markdown()}"))


def _print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values, aligned."""
    facts = list(facts)
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        console.print(literal(f"{name:<{width}}  {value}"))
