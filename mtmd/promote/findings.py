"""What gates find, and its words: of each slice, of a gate, and counted over slices.

A slice is a surface × a product × a task. Gates judge each task over all its slices as well: that is a task, no slice,
and is counted apart.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen
from mtmd.evaluate.report import OfSlice

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
