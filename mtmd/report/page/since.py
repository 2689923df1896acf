"""The section "Since the last champion" on the page: which slices moved, and whether that is noise."""

from dataclasses import dataclass

from mtmd.config import GatesConfig
from mtmd.evaluate.report import Comparison, Estimate, EvaluationReport
from mtmd.promote.slice_gates import shortage
from mtmd.report.page.charts import minus


@dataclass(frozen=True)
class Moved:
    """A slice that moved: by how much, and what that is."""

    slice: str
    gain: str
    sure: bool
    kind: str
    words: str


@dataclass(frozen=True)
class Movement:
    """In words, and the slices that moved beyond noise, the largest loss first."""

    words: str
    slices: tuple[Moved, ...]


def movement(report: EvaluationReport, gates: GatesConfig) -> Movement:
    """The candidate against the champion on the same rows, slice by slice."""
    if "champion" not in report.predictors:
        return Movement("The champion was not compared on this day.", ())
    pairs = [report.compared("champion", where) for where in report.slices]
    judged = [
        p for p in pairs if shortage(report, p.slice, p.requests, gates) is None and p.improvement is not None
    ]
    moved = sorted((p for p in judged if _moves(p, report)), key=lambda pair: pair.improvement or 0.0)
    slices = tuple(_moved(pair, len(judged), report.confidence) for pair in moved)
    sure = sum(one.sure for one in slices)
    words = f"{sure} of {len(judged)} judged slices moved beyond noise"
    if len(slices) > sure:
        words += f"; {len(slices) - sure} moved as chance moves some of so many"
    words += f"; {len(judged) - len(slices)} did not move"
    if few := len(pairs) - len(judged):
        words += f"; {few} have too little data to tell"
    return Movement(f"{words}.", slices)


def _moves(pair: Comparison, report: EvaluationReport) -> bool:
    """Whether the interval leaves zero out, and another training seed would not make up for it."""
    if pair.low is None or pair.high is None or abs(pair.improvement or 0.0) < report.seed_noise:
        return False
    return pair.low > 0 or pair.high < 0


def _moved(pair: Comparison, judged: int, confidence: float) -> Moved:
    """Beyond noise where its two-sided p-value, times the number of judged slices (Bonferroni), is small."""
    gain = Estimate(value=pair.improvement or 0.0, low=pair.low, high=pair.high)
    p = pair.worse_by_chance(0.0) or 0.0
    sure = 2.0 * min(p, 1.0 - p) * judged < 1.0 - confidence
    way = "better" if gain.value > 0 else "worse"
    return Moved(
        slice=str(pair.slice),
        gain=minus(str(gain)),
        sure=sure,
        kind={"better": "good", "worse": "bad"}[way] if sure else "",
        words=f"{way}, beyond noise" if sure else f"{way}, as chance moves some of so many",
    )
