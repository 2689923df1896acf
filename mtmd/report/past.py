"""The runs of a line, as their records say: decisions, and days that the suites stopped."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from mtmd.config import Frozen, Slice
from mtmd.promote.counts import result_words
from mtmd.promote.slice_gates import Result, result_of
from mtmd.registry import run_records
from mtmd.registry.records import RunOrigin
from mtmd.registry.run_records import SUMMARY
from mtmd.store.outputs import read_record, written
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayValidation, WindowValidation

_DATED = re.compile(r"\d{4}-\d\d-\d\d-")
_VALIDATION = re.compile(r"as_of=\d{4}-\d\d-\d\d")


class _Finding(BaseModel):
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
    slices: tuple[_Finding, ...] = ()

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
    """A run's `summary.json`, as far as it is shown; a version with more fields is read, too."""

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
    """One predictor's figures on a slice, a bucket or a task, as far as earlier runs are compared by them."""

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
    def calibration(self) -> float | None:
        if self.mean_prediction is None or not self.mean_teacher:
            return None
        return self.mean_prediction / self.mean_teacher


class RecordedQuality(BaseModel):
    """The latest run's validation of a day, as far as it is shown."""

    days: tuple[DayValidation, ...]
    window: WindowValidation | None


class RunLine(Frozen):
    """One run, in a line."""

    as_of: date
    at: datetime = Field(description="when its record was written")
    verdict: Literal["promoted", "kept", "stopped"]
    model_id: str | None
    rows: int | None = Field(description="candidate rows of the training window; None in older records")
    training_seconds: float | None = Field(description="None in older records")
    reason: str = Field(description="which gates or suites failed; empty for none")
    run: str = Field(description="name of its record; of a stopped run, of the validation")
    start: str = Field("", description="what its training went on from; empty where it was fresh")

    @classmethod
    def of_decision(cls, path: Path, decision: RecordedDecision) -> Self:
        made_with = run_records.origin(path)
        failed = [gate.name for gate in decision.verdict.gates if not gate.passed]
        return cls(
            as_of=decision.as_of,
            at=written(path / SUMMARY),
            verdict="promoted" if decision.promoted else "kept",
            model_id=decision.model_id,
            rows=made_with and made_with.window_rows,
            training_seconds=made_with and made_with.training_seconds,
            reason=", ".join(failed) or decision.verdict.refusal or "",
            run=path.name,
            start=decision.start,
        )


def runs(workspace: Workspace, last: int) -> tuple[RunLine, ...]:
    """The last runs that left a record, the newest first."""
    lines = [*_decided(workspace, last), *_stopped(workspace, last)]
    return tuple(sorted(lines, key=lambda line: (line.at, line.as_of), reverse=True)[:last])


def runs_until(workspace: Workspace, until: date, last: int) -> tuple[RunLine, ...]:
    """The last runs of days up to `until`, the oldest day first; runs of one day in the order of their records.

    No more records are read than are told: days are in the names of files, and a validation that is older than a
    decision of its day stopped no run.
    """
    found: list[tuple[date, datetime, Path]] = []
    decided: dict[date, datetime] = {}
    for run in run_paths(workspace):
        if not _DATED.match(run.name):  # a copy that a person made
            continue
        day, at = date.fromisoformat(run.name[:10]), written(run / SUMMARY)
        decided[day] = max(at, decided.get(day, at))
        found.append((day, at, run))
    for path in _validations(workspace):
        day, at = _validated(path), written(path)
        if day not in decided or at > decided[day]:
            found.append((day, at, path))
    lines: list[RunLine] = []
    for _, _, path in sorted((one for one in found if one[0] <= until), reverse=True):
        lines += [line] if (line := _line(path)) else []
        if len(lines) == last:
            break
    return tuple(reversed(lines))


def decision(path: Path) -> RecordedDecision | None:
    """Of a run's directory; None where it has none that can be read."""
    return read_record(path / SUMMARY, RecordedDecision)


def origin(path: Path) -> RunOrigin | None:
    """Of a run's directory; None where an older version wrote it."""
    return run_records.origin(path)


def run_paths(workspace: Workspace) -> list[Path]:
    """The directories of decided runs, the latest record first."""
    return run_records.run_paths(workspace)


def latest_run(workspace: Workspace, model_id: str) -> Path | None:
    """The latest run that decided about a model, None where its record is gone; a day's runs alone are read."""
    return next((path for path, _ in _about(workspace, model_id)), None)


def made_by(workspace: Workspace, model_id: str) -> Path | None:
    """The run that promoted a model, else the latest that decided about it, None where no record is left.

    A later run of its day, such as with other gates, says nothing of how a champion was made.
    """
    found = list(_about(workspace, model_id))
    promoting = (path for path, made in found if made.promotes)
    return next(promoting, found[0][0] if found else None)


def _about(workspace: Workspace, model_id: str) -> Iterator[tuple[Path, RecordedDecision]]:
    """The runs that decided about a model, the latest first."""
    day = f"{model_id[:4]}-{model_id[4:6]}-{model_id[6:8]}-"
    for path in run_paths(workspace):
        if path.name.startswith(day) and (found := decision(path)) and found.model_id == model_id:
            yield path, found


def _decided(workspace: Workspace, last: int) -> list[RunLine]:
    return [line for path in run_paths(workspace)[:last] if (line := _line(path))]


def _line(path: Path) -> RunLine | None:
    """Of a run's directory, or of a validation's file; None where it has no record, or stopped no run."""
    if path.is_dir():
        known = decision(path)
        return RunLine.of_decision(path, known) if known else None
    quality = read_record(path, RecordedQuality)
    return stopped(path, quality) if quality else None


def stopped(path: Path, quality: RecordedQuality) -> RunLine | None:
    """The run that a day's latest validation stopped; None where it passed."""
    validations = (*quality.days, *((quality.window,) if quality.window else ()))
    failures = [result for validation in validations for result in validation.failures]
    if not failures:
        return None
    first = failures[0]
    return RunLine(
        as_of=_validated(path),
        at=written(path),
        verdict="stopped",
        model_id=None,
        rows=None,
        training_seconds=None,
        reason=f"{len(failures)} in data suites: {first.table} {first.name}",
        run=path.name,
    )


def _stopped(workspace: Workspace, last: int) -> list[RunLine]:
    """Days whose latest run ended in validation."""
    paths = sorted(_validations(workspace), key=written, reverse=True)[:last]
    return [line for path in paths if (line := _line(path))]


def _validations(workspace: Workspace) -> Iterator[Path]:
    """Of each day, what the suites said in its latest run."""
    paths = (workspace.root / "validation").glob("as_of=*.json")
    return (path for path in paths if _VALIDATION.fullmatch(path.stem))  # and no copy that a person made


def _validated(path: Path) -> date:
    """The day of a validation's file."""
    return date.fromisoformat(path.stem.partition("=")[2])
