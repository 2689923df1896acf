"""The section "Since the last champion" on the page: which slices moved, and whether that is noise."""

from dataclasses import dataclass

from mtmd.config import GatesConfig
from mtmd.evaluate.report import Estimate, EvaluationReport
from mtmd.promote.counts import Tally, is_task
from mtmd.promote.slice_gates import SliceFinding
from mtmd.report.page.charts import minus
from mtmd.report.standing import slice_findings
from mtmd.report.traffic import traffic

_CHAMPION = "champion"
_KINDS = {"better": "good", "worse": "bad"}


@dataclass(frozen=True)
class Moved:
    """A slice that moved: by how much, in standard errors as well, and what the champion gate says of it."""

    slice: str
    gain: str
    errors: str
    kind: str
    words: str
    traffic: str


@dataclass(frozen=True)
class Movement:
    """In words, the slices whose interval leaves zero out, the largest loss first, and whether any could be judged."""

    words: str
    slices: tuple[Moved, ...]
    judged: bool


def movement(report: EvaluationReport, gates: GatesConfig) -> Movement:
    """The candidate against the champion on the same rows, slice by slice."""
    if _CHAMPION not in report.predictors:
        return Movement("The champion was not compared on this day.", (), judged=False)
    findings = slice_findings(report, _CHAMPION, gates)
    tally = Tally.of(findings)
    moved = sorted(
        (one for one in findings if not is_task(one.slice) and _moves(one)),
        key=lambda one: one.improvement or 0.0,
    )
    words = f"{tally.words} than the champion"
    if tally.judged:
        by_chance = tally.judged * (1.0 - report.confidence)
        words += f"; {len(moved)} moved, where chance alone moves about {by_chance:.1f} of {tally.judged}"
    return Movement(f"{words}.", tuple(_moved(report, one) for one in moved), judged=tally.judged > 0)


def _moves(finding: SliceFinding) -> bool:
    """Whether the interval leaves zero out."""
    return (finding.low is not None and finding.low > 0) or (finding.high is not None and finding.high < 0)


def _moved(report: EvaluationReport, finding: SliceFinding) -> Moved:
    pair = report.compared(_CHAMPION, finding.slice)
    gain = Estimate(value=finding.improvement or 0.0, low=finding.low, high=finding.high)
    words: str = finding.decision
    if abs(gain.value) < report.seed_noise:
        words += f"; less than another training seed may change ({report.seed_noise:.0%})"
    errors = abs(pair.log_ratio or 0.0) / pair.standard_error if pair.standard_error else None
    return Moved(
        slice=str(finding.slice),
        gain=minus(str(gain)),
        errors="–" if errors is None else f"{errors:.1f}",
        kind=_KINDS.get(finding.decision, ""),
        words=words,
        traffic=traffic(report, finding.slice),
    )
