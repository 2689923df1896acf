"""The stored files that the index is made from, and what it takes from each; records of other versions are read, too.

Each reader returns None, after a warning in the log, where a file can't be read.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import expm1
from pathlib import Path

from pydantic import BaseModel

from mtmd.report.index.records import (
    ABTestRecord,
    BackfillRecord,
    Change,
    GateLine,
    MonitorRecord,
    Record,
    RunRecord,
    TaskFigures,
)
from mtmd.report.past import RecordedDecision, RecordedMetrics, RecordedQuality, RunLine, stopped
from mtmd.store.outputs import read_record, written
from mtmd.validate.results import Status, stops

FAILURES = "failures/as_of=*.json"
VALIDATIONS = "validation/as_of=*.json"
MIRRORS = "mirrors/*.json"
BACKFILLS = "backfills/*.json"
_ALL = "all"  # surface and product of what is over a task's slices
_OVER = ("champion", "per_slice")
_LONGEST = 300  # characters of a text
DAMAGED = "the record of its validation is damaged, or of another version; run the day again"


class Failure(BaseModel):
    """An error that ended a run before it decided."""

    as_of: date
    words: str


class Outcome(BaseModel):
    """A day of a backfill, as far as it is shown."""

    as_of: date
    state: str
    words: str


class Backfilled(BaseModel):
    """What came of a backfill."""

    first: date
    last: date
    reprocess: str
    outcomes: tuple[Outcome, ...]


class _Result(BaseModel):
    status: Status
    severity: str = "critical"


class _Suites(BaseModel):
    results: tuple[_Result, ...]


class _Outcomes(BaseModel):
    """A day's validations, as far as it must be known whether they stopped the run."""

    days: tuple[_Suites, ...]
    window: _Suites | None

    @property
    def stop(self) -> bool:
        suites = (*self.days, *((self.window,) if self.window else ()))
        return any(stops(one.status, one.severity) for suite in suites for one in suite.results)


class _Comparison(BaseModel):
    reference: str
    surface: str
    product: str
    task: str
    bucket: int | None
    log_ratio: float | None


class _Report(BaseModel):
    candidate: str
    metrics: tuple[RecordedMetrics, ...]
    comparisons: tuple[_Comparison, ...]


class _Decided(RecordedDecision):
    """A run's summary with the metrics that its page shows; hand-made and old ones may lack them."""

    report: _Report | None = None


class _Finding(BaseModel):
    judged: bool
    breach: bool
    words: str


class _Monitored(BaseModel):
    day: date
    champion: str | None
    findings: tuple[_Finding, ...]


class _Change(BaseModel):
    kind: str
    metric: str
    change: float | None
    low: float | None
    high: float | None


class MirrorLine(BaseModel):
    """How far a mirror is, as its latest attempt said."""

    mirror: str
    at: datetime
    current: bool
    words: str


class _Pair(BaseModel):
    control: str
    treatment: str
    changes: tuple[_Change, ...]


class _Funnel(BaseModel):
    requests: int


class _Tested(BaseModel):
    day: date
    control: str
    samples: int
    funnel: _Funnel
    comparisons: tuple[_Pair, ...]


def shortened(text: str) -> str:
    """The beginning of a text that is too long for the index."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _run(path: Path) -> RunRecord | None:
    found = read_record(path, _Decided)
    if found is None:
        return None
    line = RunLine.of_decision(path.parent, found)
    return RunRecord(
        as_of=line.as_of,
        at=line.at,
        verdict=line.verdict,
        run=line.run,
        model_id=line.model_id,
        rows=line.rows,
        training_seconds=line.training_seconds,
        reason=shortened(line.reason),
        start=shortened(line.start),
        live=found.champion,
        gates=tuple(
            GateLine(name=gate.name, result=gate.result, detail=shortened(gate.detail), words=gate.words)
            for gate in found.verdict.gates
        ),
        tasks=_tasks(found.report),
    )


def _tasks(report: _Report | None) -> tuple[TaskFigures, ...]:
    """The candidate on each task over its slices, in the report's order."""
    if report is None:
        return ()
    over: dict[str, dict[str, float]] = {}
    for one in report.comparisons:
        whole = one.surface == _ALL and one.product == _ALL and one.bucket is None
        if whole and one.reference in _OVER and one.log_ratio is not None:
            over.setdefault(one.task, {})[one.reference] = -expm1(one.log_ratio)
    return tuple(
        TaskFigures(
            task=own.task,
            rows=own.rows,
            logmae=own.logmae,
            calibration=own.calibration,
            auc=own.auc,
            over=over.get(own.task, {}),
        )
        for own in report.metrics
        if own.predictor == report.candidate and own.surface == _ALL and own.product == _ALL
        if own.bucket is None
    )


def _validation(path: Path) -> RunRecord | None:
    """A day whose suites stopped it, or let it pass; a damaged record says neither, and is shown as a failure."""
    outcomes = read_record(path, _Outcomes)
    if outcomes is None:
        return RunRecord(as_of=_day(path), at=written(path), verdict="failed", reason=DAMAGED)
    quality = read_record(path, RecordedQuality) if outcomes.stop else None
    line = None if quality is None else stopped(path, quality)
    if line is None:
        return validated(path)
    return RunRecord(as_of=line.as_of, at=line.at, verdict="stopped", reason=shortened(line.reason))


def validated(path: Path) -> RunRecord:
    """A day whose suites passed, by the place of its record alone."""
    return RunRecord(as_of=_day(path), at=written(path), verdict="validated")


def _day(path: Path) -> date:
    return date.fromisoformat(path.stem.partition("=")[2])


def _failure(path: Path) -> RunRecord | None:
    found = read_record(path, Failure)
    if found is None:
        return None
    return RunRecord(as_of=found.as_of, at=written(path), verdict="failed", reason=shortened(found.words))


def _monitored(path: Path) -> MonitorRecord | None:
    found = read_record(path, _Monitored)
    if found is None:
        return None
    breaches = [finding.words for finding in found.findings if finding.breach]
    return MonitorRecord(
        day=found.day,
        champion=found.champion,
        judged=sum(finding.judged for finding in found.findings),
        breaches=len(breaches),
        words=shortened("; ".join(breaches[:3])),
    )


def _backfilled(path: Path) -> BackfillRecord | None:
    found = read_record(path, Backfilled)
    if found is None:
        return None
    states = [outcome.state for outcome in found.outcomes]
    return BackfillRecord(
        first=found.first,
        last=found.last,
        reprocess=found.reprocess,
        at=written(path),
        states={state: states.count(state) for state in dict.fromkeys(states)},
        failed={
            one.as_of: shortened(one.words) for one in found.outcomes if one.state in {"failed", "blocked"}
        },
    )


def _tested(path: Path) -> ABTestRecord | None:
    found = read_record(path, _Tested)
    if found is None:
        return None
    return ABTestRecord(
        day=found.day,
        at=written(path),
        control=found.control,
        samples=found.samples,
        requests=found.funnel.requests,
        changes=tuple(
            Change(metric=one.metric, change=one.change, low=one.low, high=one.high)
            for pair in found.comparisons
            if (pair.control, pair.treatment) == (found.control, "mtmd")
            for one in pair.changes
            if one.kind == _ALL
        ),
    )


# Files below a line's directory → what reads one of them.
SOURCES: Mapping[str, Callable[[Path], Record | None]] = {
    "runs/*/summary.json": _run,
    VALIDATIONS: _validation,
    FAILURES: _failure,
    "monitoring/date=*.json": _monitored,
    BACKFILLS: _backfilled,
    "evaluations/*/ab_test.json": _tested,
}
