"""The last runs of a line as a course of numbers: what each run's record says of its candidate."""

from collections.abc import Iterable, Mapping
from datetime import date
from math import log
from typing import Literal

from pydantic import BaseModel, Field

from mtmd.config import Frozen, Slice
from mtmd.evaluate.report import ALL
from mtmd.registry.registry import Registry
from mtmd.report import past
from mtmd.report.past import RecordedMetrics, RunLine
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace

LAST = 30
_CANDIDATE, _CHAMPION = "mtmd", "champion"


class TrendPoint(Frozen):
    """One run: what came of it, and its candidate's numbers on its held-out day; None where they are not recorded."""

    as_of: date
    verdict: Literal["promoted", "kept", "stopped"]
    model_id: str | None = None
    rolled_back: bool = Field(False, description="whether the model was taken down later, and not reinstated")
    reason: str = Field("", description="which gates or suites failed")
    logmae: float | None = Field(None, description="over the rows of all tasks")
    bound: float | None = Field(
        None,
        description="the champion's LogMAE on the same rows × (1 + its tolerance): the gates judge slice by slice",
    )
    calibration: tuple[float, float] | None = Field(
        None, description="lowest and highest mean prediction / mean teacher of the judged slices"
    )
    auc: dict[str, float] = Field({}, description="on actions, task by task")
    rows: int | None = Field(None, description="candidate rows of the training window")
    training_seconds: float | None = None


class _Report(BaseModel):
    candidate: str = _CANDIDATE
    metrics: tuple[RecordedMetrics, ...] = ()


class _Finding(BaseModel):
    surface: str
    product: str
    task: str
    decision: str


class _Gate(BaseModel):
    name: str
    slices: tuple[_Finding, ...] = ()


class _Verdict(BaseModel):
    gates: tuple[_Gate, ...] = ()


class _Summary(BaseModel):
    """A run's `summary.json`, as far as its numbers are shown."""

    report: _Report = _Report()
    verdict: _Verdict = _Verdict()


def trend(workspace: Workspace, until: date, last: int = LAST) -> tuple[TrendPoint, ...]:
    """The last runs of days up to `until`, the oldest day first; runs of one day in the order of their records."""
    lines = past.runs_until(workspace, until, last)
    champion = Registry(workspace.root).champion()
    taken_down = champion.rolled_back if champion else ()
    return tuple(_point(workspace, line, line.model_id in taken_down) for line in lines)


def _point(workspace: Workspace, line: RunLine, rolled_back: bool) -> TrendPoint:
    own = TrendPoint(
        as_of=line.as_of,
        verdict=line.verdict,
        model_id=line.model_id,
        rolled_back=rolled_back and line.model_id is not None,
        reason=line.reason,
        rows=line.rows,
        training_seconds=line.training_seconds,
    )
    run = workspace.root / "runs" / line.run
    summary = None if line.verdict == "stopped" else read_record(run / "summary.json", _Summary)
    if summary is None:
        return own
    origin = past.origin(run)
    return own.model_copy(update=_numbers(summary, origin.preset if origin else {}))


def _numbers(summary: _Summary, preset: Mapping[str, object]) -> dict[str, object]:
    whole = [one for one in summary.report.metrics if one.bucket is None]
    own = [one for one in whole if one.predictor == summary.report.candidate]
    champion = _logmae(one for one in whole if one.predictor == _CHAMPION)
    gates = preset.get("gates")
    tolerance = gates.get("champion_tolerance") if isinstance(gates, Mapping) else None
    return {
        "logmae": _logmae(own),
        "bound": None if champion is None or tolerance is None else champion * (1.0 + float(tolerance)),
        "calibration": _calibration(own, _judged(summary)),
        "auc": {one.task: one.auc for one in own if one.surface == ALL and one.auc is not None},
    }


def _logmae(metrics: Iterable[RecordedMetrics]) -> float | None:
    """Over the rows of all tasks: each row of each task counts once."""
    known = [(one.rows, one.logmae) for one in metrics if one.surface == ALL and one.logmae is not None]
    rows = sum(count for count, _ in known)
    return sum(count * value for count, value in known) / rows if rows else None


def _judged(summary: _Summary) -> set[Slice]:
    return {
        Slice(finding.surface, finding.product, finding.task)
        for gate in summary.verdict.gates
        if gate.name == "calibration"
        for finding in gate.slices
        if finding.decision != "not enough data"
    }


def _calibration(metrics: Iterable[RecordedMetrics], judged: set[Slice]) -> tuple[float, float] | None:
    ratios = [
        one.mean_prediction / one.mean_teacher
        for one in metrics
        if Slice(one.surface, one.product, one.task) in judged and one.mean_prediction and one.mean_teacher
    ]
    return (min(ratios), max(ratios)) if ratios else None


def furthest(ratios: Iterable[float]) -> float:
    """The ratio that is furthest from 1, whichever side it is on."""
    return max(ratios, key=lambda ratio: abs(log(ratio)))
