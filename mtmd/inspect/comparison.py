"""Two models side by side, slice by slice, from the metrics that each was registered with."""

from datetime import date

from pydantic import Field

from mtmd.config import Frozen, Slice
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.inspect.models import find_model, metrics_of
from mtmd.registry.registry import Registry
from mtmd.report.tables.evaluation import SLICE_COLUMNS, Column, Table
from mtmd.store.workspace import Workspace


class SliceOf(Frozen):
    """One model on one slice of its own held-out day."""

    rows: int
    logmae: float | None
    calibration: float | None = Field(description="mean prediction / mean teacher score")
    auc: float | None = Field(description="on actions; None where a class is missing")


class SlicePair(Frozen):
    """One slice, or a task over its slices, of both models; None where a model's metrics lack it."""

    surface: str
    product: str
    task: str
    first: SliceOf | None
    second: SliceOf | None

    @property
    def improvement(self) -> float | None:
        """1 − LogMAE of the second / LogMAE of the first: positive = the second is better."""
        if self.first is None or self.second is None or not self.first.logmae or self.second.logmae is None:
            return None
        return 1.0 - self.second.logmae / self.first.logmae


class ComparedModel(Frozen):
    """A model, and the day that its metrics are of."""

    model_id: str
    held_out: date


class SideBySide(Frozen):
    """What `mtmd compare` says."""

    first: ComparedModel
    second: ComparedModel
    same_rows: bool = Field(description="whether both were measured on the same rows of the same day")
    note: str = Field(description="what is compared, and what the differences can mean")
    slices: tuple[SlicePair, ...]


def compare(workspace: Workspace, first: str, second: str) -> SideBySide:
    """Two models' metrics on the held-out day of each; raises RegistryError and BundleError as `find_model` does."""
    registry = Registry(workspace.root)
    names = [find_model(workspace, name) for name in (first, second)]
    reports = [metrics_of(workspace, name) for name in names]
    fingerprints = [registry.manifest(name).held_out for name in names]
    a, b = (ComparedModel(model_id=n, held_out=r.as_of) for n, r in zip(names, reports, strict=True))
    same = a.held_out == b.held_out and fingerprints[0] is not None and fingerprints[0] == fingerprints[1]
    return SideBySide(
        first=a,
        second=b,
        same_rows=same,
        note=_note(a, b, same),
        slices=tuple(_pair(where, *reports) for where in _slices(reports)),
    )


def comparison_table(compared: SideBySide) -> Table:
    """For a terminal of 100 columns: A is the first model, B the second."""
    columns = (
        *SLICE_COLUMNS,
        Column(name="rows A", kind="count"),
        Column(name="rows B", kind="count"),
        *(Column(name=name) for name in ("LogMAE A", "LogMAE B")),
        Column(name="B better", kind="percent"),
        *(Column(name=name) for name in ("cal. A", "cal. B", "AUC A", "AUC B")),
    )
    rows = []
    for pair in compared.slices:
        a, b = pair.first, pair.second
        rows.append(
            (
                *(pair.surface, pair.product, pair.task),
                *(a and a.rows, b and b.rows),
                *(a and a.logmae, b and b.logmae),
                pair.improvement,
                *(a and a.calibration, b and b.calibration),
                *(a and a.auc, b and b.auc),
            )
        )
    return Table(
        title=f"A  {compared.first.model_id}\nB  {compared.second.model_id}\ncal. is mean prediction / mean teacher",
        columns=columns,
        rows=tuple(rows),
    )


def _note(a: ComparedModel, b: ComparedModel, same: bool) -> str:
    if same:
        return f"A and B on the same rows of held-out day {a.held_out}, without intervals"
    if a.held_out == b.held_out:
        return (
            f"A and B on held-out day {a.held_out}, but its logs or features changed in between: "
            "a difference may be that of the rows"
        )
    return (
        f"A on held-out day {a.held_out}, B on {b.held_out}: the days differ, so a difference may be that of the days. "
        "A run's own evaluation compares a candidate with the champion on the same rows"
    )


def _slices(reports: list[EvaluationReport]) -> list[Slice]:
    """Slices of both, in the order of the first, then the tasks' aggregates."""
    slices = [where for report in reports for where in report.slices]
    aggregates = [where for report in reports for where in report.aggregates]
    return list(dict.fromkeys([*slices, *aggregates]))


def _pair(where: Slice, first: EvaluationReport, second: EvaluationReport) -> SlicePair:
    return SlicePair(**where._asdict(), first=_of(first, where), second=_of(second, where))


def _of(report: EvaluationReport, where: Slice) -> SliceOf | None:
    if where not in report.slices and where not in report.aggregates:
        return None
    metrics: SliceMetrics = report.get(report.candidate, where)
    return SliceOf(
        rows=metrics.rows,
        logmae=metrics.logmae,
        calibration=metrics.teacher_calibration,
        auc=metrics.auc,
    )
