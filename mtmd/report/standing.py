"""Where the candidate stands against its rivals, in words."""

from dataclasses import dataclass
from typing import Literal

from mtmd.config import GatesConfig
from mtmd.evaluate.report import Comparison, EvaluationReport
from mtmd.promote.slice_gates import SliceFinding, against
from mtmd.report.text import enumerated

RIVAL_NAMES = {  # in the order of all tables
    "champion": "champion",
    "anchor": "last full retrain",
    "per_slice": "per-slice baselines",
    "pooled": "pooled two-tower",
    "constant": "constant",
}
POOLED = "pooled"
Place = Literal["ahead", "tied", "behind"]


@dataclass(frozen=True)
class Standing:
    """The candidate against one rival over all rows of each task; each task is in one of the lists.

    Of the tied ones, `noise` says which differ, though by no more than another training seed may change.
    """

    ahead: tuple[str, ...]
    tied: tuple[str, ...]
    behind: tuple[str, ...]
    noise: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """`ahead on ctr and gctr, tied on octr`, or `tied on octr (another seed may change as much)`"""
        parts = (("ahead on", self.ahead), ("tied on", self.tied), ("behind on", self.behind))
        said = [f"{how} {enumerated(tasks)}" for how, tasks in parts if tasks]
        if self.noise:
            said[len(self.ahead) > 0] += " (another seed may change as much)"
        return ", ".join(said)


def standing(report: EvaluationReport, reference: str) -> Standing:
    """Ahead or behind where the interval leaves zero out and another training seed would not make up for it.

    Tied where it does not, where the difference is noise between trainings, or where there is no number.
    """
    tasks: dict[Place, list[str]] = {"ahead": [], "tied": [], "behind": []}
    noise: list[str] = []
    for where in report.aggregates:
        pair = report.compared(reference, where)
        place = _place(pair, report.seed_noise)
        tasks[place].append(where.task)
        if place == "tied" and _place(pair, 0.0) != "tied":
            noise.append(where.task)
    return Standing(tuple(tasks["ahead"]), tuple(tasks["tied"]), tuple(tasks["behind"]), tuple(noise))


def slice_findings(report: EvaluationReport, rival: str, gates: GatesConfig) -> tuple[SliceFinding, ...]:
    """What is decided about each slice, and each task over its slices, as the gate against the rival decides it.

    Nothing against a rival that was not evaluated.
    """
    if rival not in report.predictors:
        return ()
    return against(rival, rival, gates.tolerance(rival), report, gates).slices


def rivals_of(report: EvaluationReport) -> list[str]:
    """The rivals that were evaluated, the champion first and the constant last."""
    return [name for name in RIVAL_NAMES if name in report.predictors]


def rival_name(report: EvaluationReport, name: str) -> str:
    """A rival as readers know it, with its age where an earlier day trained it."""
    age = report.ages.get(name)
    called = RIVAL_NAMES.get(name, name)
    return called if age is None else f"{called}, {age} days old"


def worth(report: EvaluationReport) -> str:
    """Whether the candidate is worth its cost against pooling alone, and how much one training can say of that."""
    if POOLED not in report.predictors:
        return "The pooled two-tower was not evaluated, so whether pooling alone is enough is not known."
    found, name = standing(report, POOLED), report.candidate.upper()
    if not found.ahead:
        said = f"Pooling alone is enough today: against it {name} is {found.words}."
    elif found.behind:
        said = f"Mixed: against pooling alone {name} is {found.words}."
    else:
        said = f"{name} is worth its cost: against pooling alone it is {found.words}."
    return (
        f"{said} A difference below {report.seed_noise:.0%} is noise between trainings, and counts as tied."
    )


def _place(pair: Comparison, seed_noise: float) -> Place:
    if pair.low is None or pair.high is None or abs(pair.improvement or 0.0) < seed_noise:
        return "tied"
    return "ahead" if pair.low > 0 else "behind" if pair.high < 0 else "tied"
