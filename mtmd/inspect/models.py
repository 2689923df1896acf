"""A model, or a run, by the name that a person types; and all that is stored of a model."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.evaluate.report import EvaluationReport
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report.past import Gate, RecordedDecision, decision, latest_run
from mtmd.store.files import read_json
from mtmd.store.outputs import read_record
from mtmd.store.sha256 import sha256_file
from mtmd.store.workspace import Workspace

CHAMPION = "champion"


class _Parity(BaseModel):
    bundle_id: str
    passed: bool
    worst: str


class _FreshProcess(BaseModel):
    passed: bool
    detail: str


class _Proofs(BaseModel):
    """A record of proofs, as far as it is shown."""

    parity: _Parity
    fresh_process: _FreshProcess


class ModelPage(Frozen):
    """All that `mtmd show` says of a model."""

    model_id: str
    live: bool
    manifest: ModelManifest
    metrics: EvaluationReport
    run: str | None = Field(description="the latest run that decided about it; None where its record is gone")
    verdict: str | None
    gates: tuple[Gate, ...]
    proofs: dict[str, str] = Field(description="what was seen of its files; empty where no record is kept")

    @property
    def window(self) -> tuple[date, date]:
        """First and last training day."""
        return min(self.manifest.window), max(self.manifest.window)


def find_model(workspace: Workspace, name: str) -> str:
    """The model id that a name stands for: `champion`, a model_id, or the beginning of only one.

    Raises RegistryError that lists what there is where the name fits none, or several.
    """
    registry = Registry(workspace.root)
    if name == CHAMPION:
        return registry.require_champion().model_id
    models = sorted(path.parent.name for path in registry.models.glob("[!.]*/manifest.json"))
    return _only(name, models, "model", registry.models)


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


def page_of(workspace: Workspace, name: str) -> ModelPage:
    """What is stored of a model; raises as `find_model` and `metrics_of` do."""
    model_id = find_model(workspace, name)
    registry = Registry(workspace.root)
    champion = registry.champion()
    run = latest_run(workspace, model_id)
    decided = None if run is None else _decided(run)
    manifest = registry.manifest(model_id)
    return ModelPage(
        model_id=model_id,
        live=champion is not None and champion.model_id == model_id,
        manifest=manifest,
        metrics=metrics_of(workspace, model_id),
        run=None if run is None else run.name,
        verdict=None if decided is None else decided.words,
        gates=() if decided is None else decided.verdict.gates,
        proofs=_proofs(workspace, manifest.bundle_id),
    )


def _only(name: str, names: list[str], kind: str, place: Path) -> str:
    if name in names:
        return name
    fitting = [known for known in names if known.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise RegistryError(
            f"{name!r} is the beginning of {len(fitting)} {kind}s: {fitting[:5]}; type more of it"
        )
    raise RegistryError(
        f"{name!r} is no model in {place}; use {CHAMPION!r}, or the beginning of one of {names[-5:]}"
    )


def _decided(run: Path) -> RecordedDecision:
    found = decision(run)
    if found is None:
        raise RegistryError(f"run {run} cannot be read; see the warning above, and run its day again")
    return found


def _proofs(workspace: Workspace, bundle_id: str) -> dict[str, str]:
    """What the latest record of proofs of a bundle says."""
    paths = sorted(
        (workspace.root / "proofs").glob("*.json"),
        key=lambda path: (path.stat().st_mtime_ns, path.name),
        reverse=True,
    )
    for path in paths:
        proofs = read_record(path, _Proofs)
        if proofs is not None and proofs.parity.bundle_id == bundle_id:
            return {"parity": proofs.parity.worst, "fresh process": proofs.fresh_process.detail}
    return {}
