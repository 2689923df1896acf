"""What the records of earlier runs say: decisions, and errors and data suites that ended a run."""

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mtmd.config import Frozen
from mtmd.evaluate.report import ALL, SliceMetrics
from mtmd.promote.findings import GateResult
from mtmd.registry.records import SUMMARY, origin, run_paths
from mtmd.report.tables import short
from mtmd.store.workspace import Workspace, read_record, written

_LONGEST = 300  # characters of a text


class _Verdict(BaseModel):
    gates: tuple[GateResult, ...]
    refusal: str | None = None
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


class _Report(BaseModel):
    candidate: str = "mtmd"
    metrics: tuple[SliceMetrics, ...] = ()


class _Decided(RecordedDecision):
    report: _Report = _Report()


class Failure(BaseModel):
    """What ended a run before it decided: an error, or data suites that failed."""

    as_of: date
    words: str
    stopped: bool = Field(False, description="by data suites")


class RunRecord(Frozen):
    """One run of a day; figures are the candidate's."""

    as_of: date
    at: datetime = Field(description="when its record was written")
    verdict: Literal["promoted", "kept", "stopped", "failed"]
    run: str = Field("", description="its directory in runs/; empty for a run that did not decide")
    model_id: str | None = None
    rows: int | None = Field(None, description="candidate rows of the training window")
    training_seconds: float | None = None
    reason: str = Field("", description="failed gates, failed suites or the error; empty for none")
    start: str = Field("", description="what its training went on from; empty where it was fresh")
    detail: str = Field("", description="what the first failed gate said")
    logmae: dict[str, float | None] = Field({}, description="by task over its slices, and of `all` tasks")

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
    candidate = found.report.candidate
    tasks = [m for m in found.report.metrics if (m.predictor, m.surface, m.bucket) == (candidate, ALL, None)]
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
        detail=short(failed[0].detail, _LONGEST) if failed else "",
        logmae={one.task: one.logmae for one in tasks} | ({ALL: _logmae(tasks)} if tasks else {}),
    )


def _logmae(metrics: Iterable[SliceMetrics]) -> float | None:
    """Over the rows of all tasks: each row of each task counts once."""
    known = [(one.rows, one.logmae) for one in metrics if one.logmae is not None]
    rows = sum(count for count, _ in known)
    return sum(count * value for count, value in known) / rows if rows else None


def failure_record(path: Path) -> RunRecord | None:
    """A run that ended before it decided."""
    found = read_record(path, Failure)
    if found is None:
        return None
    verdict: Literal["stopped", "failed"] = "stopped" if found.stopped else "failed"
    return RunRecord(
        as_of=found.as_of, at=written(path), verdict=verdict, reason=short(found.words, _LONGEST)
    )


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
