"""A model by the name that a person types, and all that is stored of it."""

from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.evaluate.report import EvaluationReport
from mtmd.promote.findings import GateResult
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report.past import decision, made_by
from mtmd.store.files import read_json
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
