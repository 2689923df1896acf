"""A model by the name that a person types, all that is stored of it, and two models side by side."""

from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError

from mtmd.config import Frozen, Slice
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report.evaluation import METRICS
from mtmd.report.past import Gate, RecordedDecision, decision, made_by
from mtmd.report.tables import Cell, Column, Table, columns_of
from mtmd.store.files import read_json
from mtmd.store.sha256 import sha256_file
from mtmd.store.workspace import Workspace

CHAMPION = "champion"
MARKDOWN = "report.md"  # of a run, as the run's page has it


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
    gates: tuple[Gate, ...]

    @property
    def window(self) -> tuple[date, date]:
        """First and last training day."""
        return min(self.manifest.window), max(self.manifest.window)

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
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise RegistryError(
            f"{name!r} is the beginning of {len(fitting)} models: {fitting[:5]}; type more of it"
        )
    raise RegistryError(
        f"{name!r} is no model in {registry.models}; use {CHAMPION!r}, or the beginning of one of {names[-5:]}"
    )


def metrics_of(workspace: Workspace, model_id: str) -> EvaluationReport:
    """A model's own metrics; raises BundleError where they cannot be read, or are not those that were stored."""
    registry = Registry(workspace.root)
    path = registry.path(model_id) / "metrics.json"
    try:
        metrics = EvaluationReport.model_validate(read_json(path))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"{path} of model {model_id!r} cannot be read: {error}") from error
    expected = registry.manifest(model_id).files.get(path.name)
    if (actual := sha256_file(path)) != expected:
        raise BundleError(
            f"{path} of model {model_id!r} is {actual}; its manifest says sha256 {expected}. Restore it from a copy, "
            "or remove the model's directory and run its day again"
        )
    return metrics


def stored_model(workspace: Workspace, name: str) -> StoredModel:
    """What is stored of a model; raises as `find_model` and `metrics_of` do."""
    model_id = find_model(workspace, name)
    registry = Registry(workspace.root)
    champion = registry.champion()
    run = made_by(workspace, model_id)
    decided = None if run is None else _decided(run)
    manifest = registry.manifest(model_id)
    return StoredModel(
        model_id=model_id,
        live=champion is not None and champion.model_id == model_id,
        manifest=manifest,
        metrics=metrics_of(workspace, model_id),
        run=None if run is None else run.name,
        verdict=None if decided is None else decided.words,
        gates=() if decided is None else decided.verdict.gates,
    )


def markdown_of(workspace: Workspace, run: str | None) -> str:
    """The Markdown that a run's page was written with; empty where there is none."""
    path = workspace.root / "runs" / (run or "") / MARKDOWN
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def beside(first: StoredModel, second: StoredModel) -> Table:
    """Every metric of two models, each on its own held-out day, and how much better the second is."""
    reports = [first.metrics, second.metrics]
    places = [where for report in reports for where in (*report.aggregates, *report.slices)]
    rows: list[tuple[Cell, ...]] = []
    for where in dict.fromkeys(places):
        a, b = (_of(report, where) for report in reports)
        for metric in METRICS:
            gain = metric.improvement(b, a) if a and b else None
            values = (metric.of(one) if one else None for one in (a, b))
            rows.append((f"{where}: {metric.name}", *values, gain))
    columns = (
        Column(name="metric", kind="text"),
        *columns_of("number", ("A", "B")),
        Column(name="B better", kind="percent"),
    )
    return Table(title=f"A {first.model_id}, B {second.model_id}", columns=columns, rows=tuple(rows))


def note_beside(first: StoredModel, second: StoredModel) -> str:
    """On which rows two models were measured, and so what a difference can mean."""
    day, other = first.metrics.as_of, second.metrics.as_of
    if day != other:
        return (
            f"A on held-out day {day}, B on {other}: the days differ, so a difference may be that of the days. A run's "
            "own evaluation compares a candidate with the champion on the same rows."
        )
    if first.manifest.held_out is None or first.manifest.held_out != second.manifest.held_out:
        return f"A and B on held-out day {day}, but its logs or features changed in between."
    return f"A and B on the same rows of held-out day {day}, without intervals."


def _of(report: EvaluationReport, where: Slice) -> SliceMetrics | None:
    return report.get(report.candidate, where) if where in (*report.slices, *report.aggregates) else None


def _decided(run: Path) -> RecordedDecision:
    found = decision(run)
    if found is None:
        raise RegistryError(f"run {run} cannot be read; see the warning above, and run its day again")
    return found
