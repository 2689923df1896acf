"""The gates that compare slices with rivals, which a candidate must not be worse than.

A slice with few requests is "not enough data", neither a pass nor a failure. In the others chance decides how much
worse is worse: the p-values of all that a gate judges are corrected together (Holm), so that a candidate as good
as its rival is blocked at most as often as `significance` says. What is "not shown worse" may still be worse by
less than the slice can show; `detectable` of each finding says which loss would have been found.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen, GatesConfig, Slice
from mtmd.evaluate.report import Comparison, EvaluationReport
from mtmd.promote.counts import counted, is_task, result_words

Decision = Literal[
    "better", "not shown worse", "not shown better", "worse", "not shown wrong", "wrong", "not enough data"
]
Result = Literal["pass", "fail", "not applicable"]
P_SHOWN = 0.1  # a larger p-value says no more than that nothing was found
_CALLED = {"per_slice": "baseline"}
normal_quantile = NormalDist().inv_cdf


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
    p: float | None = Field(None, description="one-sided p-value of being worse, or wrong; Holm-corrected")
    detectable: float | None = Field(
        None, description="the improvement, below zero, from which on the slice would have been found worse"
    )

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)

    @property
    def blocks(self) -> bool:
        return self.decision in {"worse", "not shown better", "wrong"}

    @property
    def judged(self) -> bool:
        return self.decision != "not enough data"

    def __str__(self) -> str:
        return f"{self.slice}: {self.words}"


class GateResult(Frozen):
    """What one gate says. Where there is nothing to judge it is not applicable: no pass, and it blocks nothing."""

    name: str
    passed: bool = Field(description="whether the candidate may go live as far as this gate is concerned")
    detail: str
    slices: tuple[SliceFinding, ...] = Field((), description="every slice that the gate looked at")
    applicable: bool = Field(True, exclude_if=bool, description="False where the gate had nothing to judge")
    overridable: bool = Field(
        False,
        exclude_if=lambda own: not own,
        description="whether a person's reason lets one pass that fails it",
    )

    @classmethod
    def not_applicable(cls, name: str, why: str) -> Self:
        """A gate that has nothing to judge, and blocks nothing."""
        return cls(name=name, passed=True, applicable=False, detail=why)

    @property
    def result(self) -> Result:
        return result_of(self.passed, self.applicable)

    @property
    def words(self) -> str:
        """What people read: a pass on some slices is not called a pass alone."""
        return result_words(self.result, self.slices)

    @property
    def unjudged(self) -> tuple[SliceFinding, ...]:
        """The slices that had too little data; tasks are not among them."""
        return tuple(one for one in self.slices if not one.judged and not is_task(one.slice))


def result_of(passed: bool, applicable: bool) -> Result:
    """A gate's result: what was not judged is no pass."""
    return ("pass" if passed else "fail") if applicable else "not applicable"


def against(
    name: str,
    reference: str,
    tolerance: float,
    report: EvaluationReport,
    gates: GatesConfig,
    *,
    whole_better: bool = False,
    called: str | None = None,
) -> GateResult:
    """No slice, and no task over its slices, significantly worse than a rival by more than a tolerance.

    `called` is the rival's name for people. With `whole_better` each task must also be shown better over its slices,
    which have the requests for it.
    """
    if reference not in report.predictors:
        detail = f"the evaluation has no predictor {reference!r}; evaluate it"
        return GateResult(name=name, passed=False, detail=detail)
    pairs = [report.compared(reference, where) for where in (*report.slices, *report.aggregates)]
    shortages = {pair.slice: shortage(report, pair.slice, pair.requests, gates) for pair in pairs}
    judged = {
        pair.slice: p
        for pair in pairs
        if shortages[pair.slice] is None and (p := pair.worse_by_chance(tolerance)) is not None
    }
    adjusted = corrected(judged)
    least = normal_quantile(1.0 - gates.significance / max(len(judged), 1))
    called = called or _CALLED.get(reference, reference)
    findings = [
        _compared(
            report, pair, adjusted[pair.slice], gates, math.log1p(tolerance), least, whole_better, called
        )
        if pair.slice in adjusted
        else unjudged(pair.slice, shortages[pair.slice])
        for pair in pairs
    ]
    rival = f"the {called}{_age(report, reference)}" + (f" by more than {tolerance:.0%}" if tolerance else "")
    passes, fails = f"shown worse than {rival}", f"worse than {rival}"
    if whole_better:
        passes += ", and every task is better over its slices"
        fails += ", or not shown better over a task's slices"
    return gate_result(name, (passes, fails), findings, gates)


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
    return "undefined" if value is None else f"{value:.4g}"


def corrected(judged: Mapping[Slice, float]) -> dict[Slice, float]:
    return dict(zip(judged, holm(list(judged.values())), strict=True))


def _age(report: EvaluationReport, reference: str) -> str:
    """What to know of a rival that an earlier day trained: it is weaker than today's would be."""
    age = report.ages.get(reference)
    return "" if age is None else f" of {age} days ago (weaker than one of today: passing says less)"


def _compared(
    report: EvaluationReport,
    pair: Comparison,
    p: float,
    gates: GatesConfig,
    margin: float,
    least: float,
    whole_better: bool,
    called: str,
) -> SliceFinding:
    """`margin` is the tolerance of the log ratio, `least` its standard errors from where on it is significant."""
    logmae = report.get(report.candidate, pair.slice).logmae
    rival = report.get(pair.reference, pair.slice).logmae
    decision: Decision = "not shown worse"
    if p < gates.significance:
        decision = "worse"
    elif pair.low is not None and pair.low > 0:
        decision = "better"
    elif whole_better and is_task(pair.slice):
        decision = "not shown better"
    detectable = -math.expm1(margin + least * (pair.standard_error or 0.0))
    words = f"LogMAE {number(logmae)}, {called} {number(rival)}: "
    words += f"{_percent(pair.improvement)} [{_percent(pair.low)}, {_percent(pair.high)}]{chance(p)}"
    return SliceFinding(
        **pair.slice._asdict(),
        decision=decision,
        words=words,
        own=logmae,
        reference=rival,
        improvement=pair.improvement,
        low=pair.low,
        high=pair.high,
        p=p,
        detectable=detectable,
    )


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.1%}".replace("-", "−")


def chance(p: float) -> str:
    """The p-value where it tells something."""
    if p >= P_SHOWN:
        return ""
    return ", p < 0.0001" if p < 0.0001 else f", p {p:.2g}"


def shortage(report: EvaluationReport, where: Slice, requests: float, gates: GatesConfig) -> str | None:
    """What a slice has too little of to be judged."""
    if requests < gates.min_requests:
        return f"{requests:.0f} effective requests"
    actions = report.get(report.candidate, where).positives
    return f"{actions} actions" if actions < gates.min_actions else None


def unjudged(where: Slice, shortage: str | None) -> SliceFinding:
    words = f"not judged ({shortage or 'an empty resample'})"
    return SliceFinding(**where._asdict(), decision="not enough data", words=words)


def gate_result(
    name: str, claims: tuple[str, str], findings: Sequence[SliceFinding], gates: GatesConfig
) -> GateResult:
    """Claims: what no slice is when the gate passes, and offenders are. One that could judge no slice does not pass."""
    judged = [finding for finding in findings if finding.judged]
    offending = [finding for finding in judged if finding.blocks]
    least = f"{gates.min_requests:g} effective requests"
    if gates.min_actions:
        least += f" or {gates.min_actions} actions"
    if not judged:
        sentences = [f"no slice has enough held-out data to be judged (fewer than {least})"]
    elif offending:
        named = "; ".join(map(str, offending))
        sentences = [f"{counted(offending, judged)} are {claims[1]}: {named}"]
    else:
        sentences = [f"none of {counted(judged, adjective='judged ')} is {claims[0]}", *_seen(judged)]
    if judged and (others := [finding for finding in findings if not finding.judged]):
        sentences.append(f"{counted(others)} not judged (fewer than {least})")
    return GateResult(
        name=name,
        passed=bool(judged) and not offending,
        detail="; ".join(sentences),
        slices=tuple(findings),
    )


def _seen(judged: Sequence[SliceFinding]) -> list[str]:
    """What "not shown worse" is worth: from which loss on the gate would have said "worse"."""
    losses = sorted(-finding.detectable for finding in judged if finding.detectable is not None)
    if not losses:
        return []
    return [f"smallest loss that would have been seen: {losses[0]:.1%} to {losses[-1]:.1%}, slice by slice"]
