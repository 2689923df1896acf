"""What the records of earlier runs say: decisions, days that the suites stopped, and errors that ended a run."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mtmd.config import Frozen, Slice
from mtmd.evaluate.report import ALL
from mtmd.promote.counts import result_words
from mtmd.promote.slice_gates import Result, result_of
from mtmd.registry.records import SUMMARY, origin, run_paths
from mtmd.report.text import short
from mtmd.store.outputs import read_record, written
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayValidation, ExpectationResult, WindowValidation

__all__ = ["origin", "run_paths"]  # and what is defined here

_LONGEST = 300  # characters of a text
_DAMAGED = "the record of its validation is damaged, or of another version; run the day again"
RunVerdict = Literal["promoted", "kept", "stopped", "failed", "validated"]


class RecordedFinding(BaseModel):
    """What a gate decided about a slice, as far as slices are counted."""

    surface: str
    product: str
    task: str
    decision: str

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)

    @property
    def judged(self) -> bool:
        return self.decision != "not enough data"


class Gate(BaseModel):
    """What one gate said."""

    name: str
    passed: bool
    detail: str
    applicable: bool = Field(True, description="False where it had nothing to judge")
    slices: tuple[RecordedFinding, ...] = ()

    @property
    def result(self) -> Result:
        return result_of(self.passed, self.applicable)

    @property
    def words(self) -> str:
        """What people read: a pass on some slices is not called a pass alone."""
        return result_words(self.result, self.slices)


class _Verdict(BaseModel):
    gates: tuple[Gate, ...]
    refusal: str | None = None
    override: str | None = None
    promotion: str | None = None


class RecordedDecision(BaseModel):
    """A run's `summary.json`, as far as it is shown."""

    model_config = ConfigDict(frozen=True)

    as_of: date
    model_id: str
    promoted: bool = Field(description="whether the candidate was live after the run")
    words: str
    champion: str | None
    verdict: _Verdict
    start: str = ""

    @property
    def promotes(self) -> bool:
        """Whether the run itself made the candidate live, and no earlier one."""
        return self.promoted and self.verdict.promotion is None


class RecordedMetrics(BaseModel):
    """One predictor's figures on a slice, a bucket or a task, as far as runs are compared by them."""

    predictor: str
    surface: str
    product: str
    task: str
    bucket: int | None
    rows: int
    logmae: float | None = None
    mean_prediction: float | None = None
    mean_teacher: float | None = None
    auc: float | None = None

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)

    @property
    def calibration(self) -> float | None:
        if self.mean_prediction is None or not self.mean_teacher:
            return None
        return self.mean_prediction / self.mean_teacher


class _Report(BaseModel):
    candidate: str = "mtmd"
    metrics: tuple[RecordedMetrics, ...] = ()


class _Decided(RecordedDecision):
    report: _Report = _Report()


class RecordedQuality(BaseModel):
    """The latest run's validation of a day, as far as it is shown."""

    days: tuple[DayValidation, ...]
    window: WindowValidation | None

    @property
    def failures(self) -> list[ExpectationResult]:
        """What stopped the run."""
        suites = (*self.days, *((self.window,) if self.window else ()))
        return [result for suite in suites for result in suite.failures]


class Failure(BaseModel):
    """An error that ended a run before it decided."""

    as_of: date
    words: str


class RunRecord(Frozen):
    """One run of a day, or the validation of a day that no run has decided about; figures are the candidate's."""

    as_of: date
    at: datetime = Field(description="when its record was written")
    verdict: RunVerdict
    run: str = Field("", description="its directory in runs/; empty for a run that did not decide")
    model_id: str | None = None
    rows: int | None = Field(None, description="candidate rows of the training window")
    training_seconds: float | None = None
    reason: str = Field("", description="failed gates, failed suites or the error; empty for none")
    start: str = Field("", description="what its training went on from; empty where it was fresh")
    live: str | None = Field(None, description="the champion after the run")
    detail: str = Field("", description="what the first failed gate said")
    logmae: dict[str, float | None] = Field({}, description="by task over its slices, and of `all` tasks")
    bound: float | None = Field(
        None, description="the champion's LogMAE of all tasks on the same rows × (1 + its tolerance)"
    )
    calibration: tuple[float, float] | None = Field(
        None, description="lowest and highest mean prediction / mean teacher of the judged slices"
    )
    auc: dict[str, float] = Field({}, description="on actions, task by task")

    @property
    def decided(self) -> bool:
        return self.verdict in {"promoted", "kept"}


def run_record(path: Path) -> RunRecord | None:
    """Of a run's `summary.json`; None, after a warning in the log, where it can't be read."""
    found = read_record(path, _Decided)
    if found is None:
        return None
    made_with = origin(path.parent)
    failed = [gate for gate in found.verdict.gates if not gate.passed]
    return RunRecord(
        as_of=found.as_of,
        at=written(path),
        verdict="promoted" if found.promoted else "kept",
        run=path.parent.name,
        model_id=found.model_id,
        rows=made_with and made_with.window_rows,
        training_seconds=made_with and made_with.training_seconds,
        reason=short(", ".join(gate.name for gate in failed) or found.verdict.refusal or "", _LONGEST),
        start=short(found.start, _LONGEST),
        live=found.champion,
        detail=short(failed[0].detail, _LONGEST) if failed else "",
        **_numbers(found, made_with.preset if made_with else {}),
    )


def _numbers(found: _Decided, preset: Mapping[str, object]) -> dict[str, Any]:
    whole = [one for one in found.report.metrics if one.bucket is None]
    own = [one for one in whole if one.predictor == found.report.candidate]
    tasks = [one for one in own if one.surface == ALL]
    champion = _logmae(one for one in whole if one.predictor == "champion" and one.surface == ALL)
    gates = preset.get("gates")
    tolerance = gates.get("champion_tolerance") if isinstance(gates, Mapping) else None
    findings = [one for gate in found.verdict.gates if gate.name == "calibration" for one in gate.slices]
    judged = {one.slice for one in findings if one.judged}
    ratios = [ratio for one in own if one.slice in judged and (ratio := one.calibration)]
    return {
        "logmae": {one.task: one.logmae for one in tasks} | ({ALL: _logmae(tasks)} if tasks else {}),
        "bound": None if champion is None or tolerance is None else champion * (1.0 + float(tolerance)),
        "calibration": (min(ratios), max(ratios)) if ratios else None,
        "auc": {one.task: one.auc for one in tasks if one.auc is not None},
    }


def _logmae(metrics: Iterable[RecordedMetrics]) -> float | None:
    """Over the rows of all tasks: each row of each task counts once."""
    known = [(one.rows, one.logmae) for one in metrics if one.logmae is not None]
    rows = sum(count for count, _ in known)
    return sum(count * value for count, value in known) / rows if rows else None


def validation_record(path: Path) -> RunRecord:
    """A day whose suites stopped it, or let it pass; a damaged record says neither, and is shown as a failure."""
    quality = read_record(path, RecordedQuality)
    if quality is None:
        return RunRecord(as_of=_day(path), at=written(path), verdict="failed", reason=_DAMAGED)
    if not quality.failures:
        return validated(path)
    first = quality.failures[0]
    reason = f"{len(quality.failures)} in data suites: {first.table} {first.name}"
    return RunRecord(as_of=_day(path), at=written(path), verdict="stopped", reason=short(reason, _LONGEST))


def validated(path: Path) -> RunRecord:
    """A day whose suites passed, by the place of its record alone."""
    return RunRecord(as_of=_day(path), at=written(path), verdict="validated")


def failure_record(path: Path) -> RunRecord | None:
    """A run that ended with an error."""
    found = read_record(path, Failure)
    if found is None:
        return None
    return RunRecord(
        as_of=found.as_of, at=written(path), verdict="failed", reason=short(found.words, _LONGEST)
    )


def _day(path: Path) -> date:
    return date.fromisoformat(path.stem.partition("=")[2])


def decision(path: Path) -> RecordedDecision | None:
    """Of a run's directory; None where it has none that can be read."""
    return read_record(path / SUMMARY, RecordedDecision)


def made_by(workspace: Workspace, model_id: str) -> Path | None:
    """The run that promoted a model, else the latest that decided about it, None where no record is left.

    A later run of its day, such as with other gates, says nothing of how a champion was made.
    """
    day = f"{model_id[:4]}-{model_id[4:6]}-{model_id[6:8]}-"
    paths = [path for path in run_paths(workspace) if path.name.startswith(day)]
    found = [(path, made) for path in paths if (made := decision(path)) and made.model_id == model_id]
    promoting = (path for path, made in found if made.promotes)
    return next(promoting, found[0][0] if found else None)
