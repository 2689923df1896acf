"""The gates that look at slices: floors that a candidate must clear, and rivals that it must not be worse than.

A slice with few requests is "not enough data", neither a pass nor a failure. Against a rival, chance decides how
much worse is worse: the p-values of all judged slices and task aggregates are corrected together (Holm), so that
a candidate as good as its rival is blocked at most as often as `significance` says.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pydantic import Field

from mtmd.config import Frozen, GatesConfig, Slice
from mtmd.evaluation import Comparison, EvaluationReport, SliceMetrics

Decision = Literal["better", "no worse", "worse", "holds", "fails", "not enough data"]


class SliceFinding(Frozen):
    """What a gate says of one slice, or of a task over all its slices."""

    surface: str
    product: str
    task: str
    decision: Decision
    words: str = Field(description="the numbers, such as `LogMAE 0.41, champion 0.35`")
    own: float | None = Field(None, description="the candidate's number")
    reference: float | None = Field(None, description="the rival's")
    improvement: float | None = Field(None, description="1 − own / reference; positive = better")
    low: float | None = Field(None, description="interval of the improvement")
    high: float | None = None
    p: float | None = Field(None, description="one-sided p-value of being worse, Holm-corrected")

    @property
    def blocks(self) -> bool:
        return self.decision in {"worse", "fails"}

    @property
    def judged(self) -> bool:
        return self.decision != "not enough data"

    def __str__(self) -> str:
        return f"{Slice(self.surface, self.product, self.task)}: {self.words}"


class GateResult(Frozen):
    """What one gate says."""

    name: str
    passed: bool
    detail: str
    slices: tuple[SliceFinding, ...] = Field((), description="every slice that the gate looked at")


def floor(
    name: str,
    claims: tuple[str, str],
    report: EvaluationReport,
    gates: GatesConfig,
    objection: Callable[[SliceMetrics], str | None],
) -> GateResult:
    """Ask about every slice with enough requests; claims: what all are when it passes, and offenders when not."""
    findings = []
    for where in report.slices:
        requests = _requests(report, where)
        words = objection(report.get(report.candidate, where))
        if requests < gates.min_requests:
            findings.append(_unjudged(where, requests))
        else:
            decision: Decision = "fails" if words else "holds"
            findings.append(_finding(where, decision, words or ""))
    return _result(name, claims, findings, gates)


def against(
    name: str, reference: str, tolerance: float, report: EvaluationReport, gates: GatesConfig
) -> GateResult:
    """No slice, and no task over its slices, significantly worse than a rival by more than a tolerance."""
    if reference not in report.predictors:
        detail = f"the evaluation has no predictor {reference!r}; evaluate it"
        return GateResult(name=name, passed=False, detail=detail)
    pairs = [report.compared(reference, where) for where in (*report.slices, *report.aggregates)]
    judged = {
        pair.slice: p
        for pair in pairs
        if pair.requests >= gates.min_requests and (p := pair.worse_by_chance(tolerance)) is not None
    }
    corrected = dict(zip(judged, holm(list(judged.values())), strict=True))
    findings = [_compared(name, report, pair, corrected.get(pair.slice), gates) for pair in pairs]
    margin = f" by more than {tolerance:.0%}" if tolerance else ""
    return _result(
        name, (f"no worse than the {name}{margin}", f"worse than the {name}{margin}"), findings, gates
    )


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: reject where one is below α, and the chance of any false rejection is at most α.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
    """
    adjusted, worst = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = worst
    return adjusted


def number(value: float | None) -> str:
    """A value in a sentence."""
    return "undefined" if value is None else f"{value:.4g}"


def _compared(
    name: str, report: EvaluationReport, pair: Comparison, p: float | None, gates: GatesConfig
) -> SliceFinding:
    if p is None:
        return _unjudged(pair.slice, pair.requests)
    own = report.get(report.candidate, pair.slice).logmae
    rival = report.get(pair.reference, pair.slice).logmae
    decision: Decision = "no worse"
    if p < gates.significance:
        decision = "worse"
    elif pair.low is not None and pair.low > 0:
        decision = "better"
    words = f"LogMAE {number(own)}, {name} {number(rival)}: {_percent(pair.improvement)} "
    words += f"[{_percent(pair.low)}, {_percent(pair.high)}], p {p:.2g}"
    return SliceFinding(
        **pair.slice._asdict(),
        decision=decision,
        words=words,
        own=own,
        reference=rival,
        improvement=pair.improvement,
        low=pair.low,
        high=pair.high,
        p=p,
    )


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.1%}"


def _requests(report: EvaluationReport, where: Slice) -> float:
    """Effective requests of a slice; the same whatever the candidate is compared with."""
    rivals = [predictor for predictor in report.predictors if predictor != report.candidate]
    return report.compared(rivals[0], where).requests


def _finding(where: Slice, decision: Decision, words: str) -> SliceFinding:
    return SliceFinding(**where._asdict(), decision=decision, words=words)


def _unjudged(where: Slice, requests: float) -> SliceFinding:
    return _finding(where, "not enough data", f"not judged ({requests:.0f} effective requests)")


def _result(
    name: str, claims: tuple[str, str], findings: Sequence[SliceFinding], gates: GatesConfig
) -> GateResult:
    """A gate that could judge no slice does not pass."""
    judged = [one for one in findings if one.judged]
    offending = [one for one in judged if one.blocks]
    return GateResult(
        name=name,
        passed=bool(judged) and not offending,
        detail="; ".join(_sentences(claims, gates.min_requests, len(findings), judged, offending)),
        slices=tuple(findings),
    )


def _sentences(
    claims: tuple[str, str],
    least: float,
    total: int,
    judged: Sequence[SliceFinding],
    offending: Sequence[SliceFinding],
) -> Iterator[str]:
    if not judged:
        yield f"no slice has the {least:g} effective held-out requests that judging it needs"
    elif offending:
        yield f"{len(offending)} of {len(judged)} slices are {claims[1]}: " + "; ".join(map(str, offending))
    else:
        yield f"all {len(judged)} judged slices are {claims[0]}"
    if judged and len(judged) < total:
        yield f"{total - len(judged)} not judged (fewer than {least:g} effective requests)"
