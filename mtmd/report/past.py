"""The runs of a line, as their records say: decisions, and days that the suites stopped."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from mtmd.config import Frozen
from mtmd.registry import run_records
from mtmd.registry.records import RunOrigin
from mtmd.registry.run_records import SUMMARY
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayValidation, WindowValidation


class Gate(BaseModel):
    """What one gate said."""

    name: str
    passed: bool
    detail: str


class _Verdict(BaseModel):
    gates: tuple[Gate, ...]
    refusal: str | None = None
    override: str | None = None


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


class _Quality(BaseModel):
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
            at=_written(path / SUMMARY),
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


def decision(path: Path) -> RecordedDecision | None:
    """Of a run's directory; None where it has none that can be read."""
    return read_record(path / SUMMARY, RecordedDecision)


def origin(path: Path) -> RunOrigin | None:
    """Of a run's directory; None where an older version wrote it."""
    return run_records.origin(path)


def run_paths(workspace: Workspace) -> list[Path]:
    """The directories of decided runs, the latest record first."""
    return run_records.run_paths(workspace)


def _decided(workspace: Workspace, last: int) -> list[RunLine]:
    known = ((path, decision(path)) for path in run_paths(workspace)[:last])
    return [RunLine.of_decision(path, found) for path, found in known if found is not None]


def _stopped(workspace: Workspace, last: int) -> list[RunLine]:
    """Days whose latest run ended in validation."""
    paths = sorted((workspace.root / "validation").glob("as_of=*.json"), key=_written, reverse=True)[:last]
    lines = []
    for path in paths:
        quality = read_record(path, _Quality)
        if quality is None:
            continue
        validations = (*quality.days, *((quality.window,) if quality.window else ()))
        failures = [result for validation in validations for result in validation.failures]
        if failures:
            first = failures[0]
            lines.append(
                RunLine(
                    as_of=date.fromisoformat(path.stem.partition("=")[2]),
                    at=_written(path),
                    verdict="stopped",
                    model_id=None,
                    rows=None,
                    training_seconds=None,
                    reason=f"{len(failures)} in data suites: {first.table} {first.name}",
                    run=path.name,
                )
            )
    return lines


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
