"""What the stored records of a run say, as far as it is mirrored; records of other versions are read, too."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import expm1
from pathlib import Path

from pydantic import BaseModel

from mtmd.config import Slice
from mtmd.errors import BundleError, RegistryError
from mtmd.registry.records import SUMMARY, ModelManifest, RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report.past import RecordedDecision, RecordedMetrics, origin, run_paths
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace

_PAGE = "report.html"


class MirroredMetrics(RecordedMetrics):
    """One predictor's figures on a slice, a bucket or a task; None where a number is undefined."""

    mean_prediction: float | None = None
    mean_teacher: float | None = None
    auc: float | None = None
    kl: float | None = None
    mae: float | None = None
    bce: float | None = None
    log_loss: float | None = None
    impressions: int = 0
    positives: int = 0

    @property
    def calibration(self) -> float | None:
        """Mean prediction / mean teacher score."""
        if self.mean_prediction is None or not self.mean_teacher:
            return None
        return self.mean_prediction / self.mean_teacher


class MirroredComparison(BaseModel):
    """The candidate against a reference on a slice, a bucket or a task."""

    reference: str
    surface: str
    product: str
    task: str
    bucket: int | None
    log_ratio: float | None

    @property
    def improvement(self) -> float | None:
        """1 − LogMAE of the candidate / LogMAE of the reference: positive = better."""
        return None if self.log_ratio is None else -expm1(self.log_ratio)


class MirroredReport(BaseModel):
    """What the evaluation said."""

    candidate: str
    metrics: tuple[MirroredMetrics, ...]
    comparisons: tuple[MirroredComparison, ...] = ()


class MirroredDecision(RecordedDecision):
    """A run's summary with its metrics; hand-made and old ones may lack them."""

    report: MirroredReport | None = None


@dataclass(frozen=True)
class MirroredRun:
    """A decided run.

    at        when it was decided
    origin    what it was made with; None in records of older versions
    manifest  the candidate's; None where the clean-up removed the model, or where it is damaged
    damage    why the manifest can't be read; empty where it can, and where the model was removed
    """

    directory: Path
    at: datetime
    decision: MirroredDecision
    origin: RunOrigin | None
    manifest: ModelManifest | None
    damage: str = ""

    @property
    def name(self) -> str:
        """What the run is known by: a decision has one name, however often it is taken."""
        return self.directory.name

    @property
    def page(self) -> Path | None:
        """The page for people; None where it is not written."""
        page = self.directory / _PAGE
        return page if page.is_file() else None


def read_run(workspace: Workspace, directory: Path) -> MirroredRun | None:
    """A decided run; None where its summary can't be read."""
    decision = read_record(directory / SUMMARY, MirroredDecision)
    if decision is None:
        return None
    written = (directory / SUMMARY).stat().st_mtime
    manifest, damage = _manifest(workspace, decision.model_id)
    return MirroredRun(
        directory=directory,
        at=datetime.fromtimestamp(written, UTC),
        decision=decision,
        origin=origin(directory),
        manifest=manifest,
        damage=damage,
    )


def newest_first(workspace: Workspace) -> list[Path]:
    """Directories of decided runs: the newest day first, and of a day the latest record."""
    # run_paths has the latest first: sorting is stable
    return sorted(run_paths(workspace), key=_day, reverse=True)


def where(one: MirroredMetrics | MirroredComparison) -> str:
    """`search/standard/ctr`, or `all/ctr` of a task over its slices."""
    own = Slice(one.surface, one.product, one.task)
    return f"all/{own.task}" if own.surface == own.product == "all" else "/".join(own)


def _day(directory: Path) -> date:
    try:
        return date.fromisoformat(directory.name[:10])
    except ValueError:  # a copy that a person made
        return date.min


def _manifest(workspace: Workspace, model_id: str) -> tuple[ModelManifest | None, str]:
    """A model's manifest, or why it can't be read; neither where the clean-up removed the model."""
    try:
        return Registry(workspace.root).manifest(model_id), ""
    except BundleError as error:
        return None, str(error)
    except RegistryError:
        return None, ""
