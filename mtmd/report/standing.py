"""Where the candidate stands against its rivals, in words: over all rows of each task, and in the top rank buckets.

The top buckets hold the candidates with the highest teacher scores of a slice. They are what survives the cut of a
funnel, so a lead that lies below them chooses no ad.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mtmd.config import GatesConfig
from mtmd.evaluate.report import EVERYTHING, Comparison, EvaluationReport
from mtmd.promote.slice_gates import SliceFinding, against
from mtmd.report.page.charts import enumerated

RIVAL_NAMES = {
    "per_slice": "per-slice baselines",
    "pooled": "pooled two-tower",
    "champion": "champion",
    "anchor": "last full retrain",
    "constant": "constant",
}
TOP_BUCKETS = (0, 1)
Place = Literal["ahead", "tied", "behind"]
_SAID: dict[Place, str] = {"ahead": "ahead", "tied": "no clear difference", "behind": "behind"}


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
        said = [f"{how} {enumerated(list(tasks))}" for how, tasks in parts if tasks]
        if self.noise:
            place = len(self.ahead) > 0
            said[place] += " (another seed may change as much)"
        return ", ".join(said)


def standing(report: EvaluationReport, reference: str, bucket: int | None = None) -> Standing:
    """Ahead or behind where the interval leaves zero out and another training seed would not make up for it.

    Tied where it does not, where the difference is noise between trainings, or where there is no number.
    """
    tasks: dict[Place, list[str]] = {"ahead": [], "tied": [], "behind": []}
    noise: list[str] = []
    for where in report.aggregates:
        pair = report.compared(reference, where, bucket)
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
    """The rivals that were evaluated, the constant last."""
    return [name for name in RIVAL_NAMES if name in report.predictors]


def rival_name(report: EvaluationReport, name: str) -> str:
    """A rival as readers know it, with its age where an earlier day trained it."""
    age = report.ages.get(name)
    return RIVAL_NAMES[name] if age is None else f"{RIVAL_NAMES[name]}, {age} days old"


def top_words(report: EvaluationReport) -> str:
    """One sentence: ahead of each rival or not in the top rank buckets, over all tasks and where a task is behind."""
    compared = {pair.bucket for pair in report.comparisons}
    if not compared.issuperset(TOP_BUCKETS):
        return (
            "Whether the lead lies where ads are chosen is not known: rank buckets 0 and 1 have no intervals; set "
            "evaluation.interval_buckets to 2 or more."
        )
    rivals: dict[str, list[str]] = {}
    for rival in rivals_of(report):
        rivals.setdefault(top_standing(report, rival), []).append(rival_name(report, rival))
    said = "; ".join(f"{how} against the {enumerated(names)}" for how, names in rivals.items())
    name = report.candidate.upper()
    return f"{name} in rank buckets 0 and 1, where ads are chosen, over all tasks: {said}."


def top_standing(report: EvaluationReport, reference: str) -> str:
    """`ahead in both`, or `no clear difference in 0 (behind on octr), ahead in 1`."""
    places = [
        _place(report.compared(reference, EVERYTHING, bucket), report.seed_noise) for bucket in TOP_BUCKETS
    ]
    behind = [standing(report, reference, bucket).behind for bucket in TOP_BUCKETS]
    if places[0] == places[1] and behind[0] == behind[1]:
        return f"{_SAID[places[0]]} in both{_but(places[0], behind[0])}"
    return ", ".join(_by_bucket(places, behind))


def _by_bucket(places: list[Place], behind: list[tuple[str, ...]]) -> Iterator[str]:
    for bucket, place, tasks in zip(TOP_BUCKETS, places, behind, strict=True):
        yield f"{_SAID[place]} in {bucket}{_but(place, tasks)}"


def _but(place: Place, tasks: tuple[str, ...]) -> str:
    """Tasks that are behind where all of them together are not."""
    return f" (behind on {enumerated(list(tasks))})" if tasks and place != "behind" else ""


def _place(pair: Comparison, seed_noise: float) -> Place:
    if pair.low is None or pair.high is None or abs(pair.improvement or 0.0) < seed_noise:
        return "tied"
    return "ahead" if pair.low > 0 else "behind" if pair.high < 0 else "tied"
