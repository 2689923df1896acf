"""What gates find, and its words: of each slice, of a gate, counted over slices; the verdict, and the run's record.

A slice is a surface × a product × a task. Gates judge each task over all its slices as well: that is a task, no slice,
and is counted apart.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen
from mtmd.evaluate.report import EvaluationReport, OfSlice

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
    p: float | None = Field(None, description="one-sided p-value of being worse, or wrong; Holm-corrected")
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
        tally = Tally.of(self.slices)
        if self.result != "pass" or not tally.unjudged:
            return self.result
        return f"pass on {tally.judged} of {tally.judged + tally.unjudged}"

    @property
    def unjudged(self) -> tuple[SliceFinding, ...]:
        """The slices that had too little data; tasks are not among them."""
        return tuple(one for one in self.slices if not one.judged and not one.is_task)


def counted(
    some: Iterable[SliceFinding], of: Collection[SliceFinding] | None = None, adjective: str = ""
) -> str:
    """`6 of 15 slices and 1 of 3 tasks`, or `15 slices and 3 tasks`; a kind that none is of is left out."""
    chosen, parts = list(some), []
    for kind in ("slice", "task"):
        number = sum(one.is_task == (kind == "task") for one in chosen)
        whole = number if of is None else sum(one.is_task == (kind == "task") for one in of)
        share = f"{number}" if of is None else f"{number} of {whole}"
        if number:
            parts.append(f"{share} {adjective}{kind}{'' if whole == 1 else 's'}")
    return " and ".join(parts)


@dataclass(frozen=True)
class Tally:
    """Of all slices: how many were judged, and how many of those are better or worse; tasks are not among them."""

    judged: int
    better: int
    worse: int
    unjudged: int

    @classmethod
    def of(cls, findings: Iterable[SliceFinding]) -> Self:
        slices = [one for one in findings if not one.is_task]
        decisions = [one.decision for one in slices]
        judged = sum(one.judged for one in slices)
        return cls(judged, decisions.count("better"), decisions.count("worse"), len(slices) - judged)

    @property
    def words(self) -> str:
        """`3 of 10 slices better, 1 worse, 5 not judged`"""
        words = f"{self.better} of {self.judged} slices better, {self.worse} worse"
        return words + (f", {self.unjudged} not judged" if self.unjudged else "")


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
    def unjudged(self) -> str:
        """What no gate could say; empty where every gate judged every slice that it looks at.

        `the champion gate had nothing to judge; 5 of 15 slices had too little data to judge`
        """
        said = [f"the {gate.name} gate had nothing to judge" for gate in self.gates if not gate.applicable]
        slices = {one.slice for gate in self.gates for one in gate.slices if not one.is_task}
        if without := {one.slice for gate in self.gates for one in gate.unjudged}:
            said.append(f"{len(without)} of {len(slices)} slices had too little data to judge")
        return "; ".join(said)

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
    start: str = Field("", description="what its training goes on from, in words; empty where all are fresh")
    report: EvaluationReport
    places: dict[str, str]

    @property
    def is_news(self) -> bool:
        """Whether the run itself decided: no earlier run took the decision, or promoted its candidate before."""
        return not self.repeated and self.verdict.promotion is None
