"""The one count of slices, which the words of gates, pages and artifacts share.

A slice is a surface × a product × a task. Gates judge each task over all its slices as well: that is a task, no slice,
and is counted apart. Worse, better and not judged are what the gate against a rival decides about a slice
(`mtmd/promote/slice_gates.py`); a rival without a gate is judged by the same rule, without a tolerance.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from mtmd.config import Slice
from mtmd.evaluate.report import ALL

# for people, in the pages' folds
COUNTING = (
    "Counts are of slices, a surface × a product × a task each; a task over all its slices is judged too, and counted "
    "apart as a task. Worse and better are the words of the gate against a rival: worse is significantly worse by more "
    "than the tolerance, better is an interval above zero. Where no gate judges a rival, the same rule is used with no "
    "tolerance."
)


class Judged(Protocol):
    """What a gate says of a slice, or of a task over its slices."""

    @property
    def slice(self) -> Slice: ...

    @property
    def decision(self) -> str: ...

    @property
    def judged(self) -> bool: ...


def is_task(where: Slice) -> bool:
    """Whether this is a task over all its slices."""
    return where.surface == ALL


def counted(some: Iterable[Judged], of: Collection[Judged] | None = None, adjective: str = "") -> str:
    """`6 of 15 slices and 1 of 3 tasks`, or `15 slices and 3 tasks`; a kind that none is of is left out."""
    chosen = [one.slice for one in some]
    kinds = {
        "slice": [one for one in chosen if not is_task(one)],
        "task": [one for one in chosen if is_task(one)],
    }
    parts = []
    for kind, own in kinds.items():
        whole = len(own) if of is None else sum(is_task(one.slice) == (kind == "task") for one in of)
        number = f"{len(own)}" if of is None else f"{len(own)} of {whole}"
        if own:
            parts.append(f"{number} {adjective}{kind}{'' if whole == 1 else 's'}")
    return " and ".join(parts)


def result_words(result: str, findings: Iterable[Judged]) -> str:
    """A gate's result as people read it: `pass on 10 of 15` where so many of its slices could be judged."""
    tally = Tally.of(findings)
    if result != "pass" or not tally.unjudged:
        return result
    return f"pass on {tally.judged} of {tally.judged + tally.unjudged}"


@dataclass(frozen=True)
class Tally:
    """Of all slices: how many were judged, and how many of those are better or worse; tasks are not among them."""

    judged: int
    better: int
    worse: int
    unjudged: int

    @classmethod
    def of(cls, findings: Iterable[Judged]) -> "Tally":
        slices = [one for one in findings if not is_task(one.slice)]
        return cls(
            judged=sum(one.judged for one in slices),
            better=sum(one.decision == "better" for one in slices),
            worse=sum(one.decision == "worse" for one in slices),
            unjudged=sum(not one.judged for one in slices),
        )

    @property
    def words(self) -> str:
        """`3 of 10 slices better, 1 worse, 5 not judged`"""
        words = f"{self.better} of {self.judged} slices better, {self.worse} worse"
        return words + (f", {self.unjudged} not judged" if self.unjudged else "")
