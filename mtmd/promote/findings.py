"""What gates find, and its words: of each slice, of a gate, counted over slices; the verdict, and the run's record.

A slice is a surface × a product × a task. Gates judge each task over all its slices as well.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen
from mtmd.evaluate.report import EvaluationReport, OfSlice
from mtmd.run import Race

Decision = Literal[
    "better", "not shown worse", "not shown better", "worse", "not shown wrong", "wrong", "not enough data"
]
Result = Literal["pass", "fail", "not applicable"]


class SliceFinding(OfSlice):
    """What a gate says of one slice, or of a task over all its slices."""

    decision: Decision
    words: str = Field("", description="the numbers, such as `LogMAE 0.41, champion 0.35`")
    own: float | None = Field(None, description="the candidate's number")
    reference: float | None = Field(None, description="the rival's")
    improvement: float | None = Field(None, description="1 − own / reference; positive = better")
    low: float | None = Field(None, description="interval of the improvement")
    high: float | None = None
    detectable: float | None = Field(
        None, description="the improvement, below zero, from which on the slice would have been found worse"
    )

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
    applicable: bool = Field(True, description="False where the gate had nothing to judge")
    overridable: bool = Field(False, description="whether a person's reason lets one pass that fails it")

    @classmethod
    def not_applicable(cls, name: str, why: str) -> Self:
        """A gate that has nothing to judge, and blocks nothing."""
        return cls(name=name, passed=True, applicable=False, detail=why)

    @property
    def result(self) -> Result:
        return ("pass" if self.passed else "fail") if self.applicable else "not applicable"

    @property
    def words(self) -> str:
        """The result as people read it: `pass on 10 of 15` where so many of its slices could be judged."""
        if self.result != "pass" or not self.unjudged:
            return self.result
        slices = sum(not one.is_task for one in self.slices)
        return f"pass on {slices - len(self.unjudged)} of {slices}"

    @property
    def unjudged(self) -> tuple[SliceFinding, ...]:
        """The slices that had too little data; tasks are not among them."""
        return tuple(one for one in self.slices if not one.judged and not one.is_task)


def tally(findings: Iterable[SliceFinding]) -> str:
    """`3 of 10 slices better, 1 worse, 5 not judged`, of a calibration `1 of 10 slices wrong`; without tasks."""
    decisions = [one.decision for one in findings if not one.is_task]
    unjudged = decisions.count("not enough data")
    judged = f"of {len(decisions) - unjudged} slices"
    words = f"{decisions.count('better')} {judged} better, {decisions.count('worse')} worse"
    if {"wrong", "not shown wrong"} & {*decisions}:
        words = f"{decisions.count('wrong')} {judged} wrong"
    return words + (f", {unjudged} not judged" if unjudged else "")


class Verdict(Frozen):
    """Whether the candidate may go live, and why."""

    candidate: str
    champion: str | None
    gates: tuple[GateResult, ...]
    refusal: str | None = Field(None, description="why the registry, or the run's caller, said no after all")
    override: str | None = Field(
        None, description="a person's reason to promote although overridable gates failed"
    )
    promotion: str | None = Field(None, description="the history's reason, where an earlier run promoted it")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the gates that did not pass."""
        return tuple(gate.name for gate in self.gates if not gate.passed)

    @property
    def tally(self) -> str:
        """`6 of 6 pass, 1 not applicable`: of the gates that had something to judge, and how many had not."""
        judged = [gate for gate in self.gates if gate.applicable]
        others = len(self.gates) - len(judged)
        words = f"{sum(gate.passed for gate in judged)} of {len(judged)} pass"
        return words + (f", {others} not applicable" if others else "")

    @property
    def passed(self) -> bool:
        """Whether every gate passed, or those that did not were overridden."""
        return not self.failed or (
            self.override is not None and all(gate.passed or gate.overridable for gate in self.gates)
        )

    @property
    def promoted(self) -> bool:
        return self.passed and self.refusal is None

    def words(self) -> str:
        """`promoted`, or `kept champion X because …` with the first failed gate in full."""
        if self.promoted:
            return "promoted" if not self.failed else f"promoted by {self.reason()}"
        failed = [gate for gate in self.gates if not gate.passed and not self.passed]
        reason = f"{failed[0].name}: {failed[0].detail}" if failed else str(self.refusal)
        if len(failed) > 1:
            reason += f" (also failed: {', '.join(gate.name for gate in failed[1:])})"
        if self.override is not None and failed:
            lets = ", ".join(gate.name for gate in self.gates if gate.overridable)
            reason += f"; the override ({self.override}) was ignored: it lets only {lets} pass"
        if self.promotion is not None:
            return f"{self.candidate} was promoted before ({self.promotion}), which stands, although {reason}"
        kept = f"kept champion {self.champion}" if self.champion else "promoted nothing (no champion yet)"
        return f"{kept} because {reason}"

    def reason(self) -> str:
        """What the history says of the promotion."""
        if not self.failed:
            others = [gate.name for gate in self.gates if not gate.applicable]
            return "all gates passed" + (f"; not applicable: {', '.join(others)}" if others else "")
        return f"override ({self.override}) of failed gates: {', '.join(self.failed)}"


class RunSummary(Frozen):
    """What a run ended with: the last thing it writes, and all that a person needs to find the rest."""

    as_of: date
    model_id: str
    promoted: bool = Field(description="whether the candidate is live after the run")
    words: str = Field(description="what came of the run")
    champion: str | None = Field(description="the live model after the run")
    verdict: Verdict = Field(description="the decision, as it was taken")
    repeated: bool = Field(False, description="an earlier run took this decision, and its record stays")
    reused: dict[str, str]
    race: Race | None = Field(
        None,
        exclude_if=lambda race: race is None,
        description="what chose the candidate, where several may go live",
    )
    start: str = Field("", description="what its training goes on from, in words; empty where all are fresh")
    report: EvaluationReport
    places: dict[str, str]

    @property
    def is_news(self) -> bool:
        """Whether the run itself decided: no earlier run took the decision, or promoted its candidate before."""
        return not self.repeated and self.verdict.promotion is None
