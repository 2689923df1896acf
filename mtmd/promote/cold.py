"""New values in the gates' report: the candidate against its rivals on rows of new ads and new users.

This is information, and blocks nothing. The rows are part of the slices that the gates judge already; they are few, so
that only a large loss would be found; and which values are new is decided by the window's length more than by a model.
Where it says "worse", the rule is that of the slice gates: one-sided p-values beyond the rival's tolerance,
Holm-corrected over the features and tasks that have the requests for it.
"""

from collections.abc import Iterator

from pydantic import Field

from mtmd.config import Frozen, GatesConfig
from mtmd.evaluate.report import ColdMetrics, Comparison, EvaluationReport
from mtmd.promote.slice_gates import Decision, holm

_RIVALS = ("champion", "per_slice", "pooled")


class ColdFinding(Frozen):
    """The candidate against one rival on a task's rows with new values of a feature."""

    feature: str
    task: str
    rival: str
    rows: int
    own: float | None = Field(description="the candidate's LogMAE on these rows")
    reference: float | None = Field(description="the rival's")
    improvement: float | None = Field(description="1 − own / reference; positive = better")
    low: float | None
    high: float | None
    decision: Decision


def cold_findings(report: EvaluationReport, gates: GatesConfig) -> tuple[ColdFinding, ...]:
    """Against the champion, the per-slice baselines and the pooled two-tower, as far as they were evaluated."""
    return tuple(
        finding
        for rival in _RIVALS
        if rival in report.predictors
        for finding in _against(rival, report, gates)
    )


def _against(rival: str, report: EvaluationReport, gates: GatesConfig) -> Iterator[ColdFinding]:
    tolerance = gates.tolerance(rival)
    pairs = [(cold, pair) for cold in report.cold for pair in cold.comparisons if pair.reference == rival]
    chances = {
        place: p
        for place, (_, pair) in enumerate(pairs)
        if pair.requests >= gates.min_requests and (p := pair.worse_by_chance(tolerance)) is not None
    }
    corrected = dict(zip(chances, holm(list(chances.values())), strict=True))
    for place, (cold, pair) in enumerate(pairs):
        yield _finding(cold, pair, report.candidate, _decision(pair, corrected.get(place), gates))


def _decision(pair: Comparison, p: float | None, gates: GatesConfig) -> Decision:
    if p is None:
        return "not enough data"
    if p < gates.significance:
        return "worse"
    return "better" if pair.low is not None and pair.low > 0 else "not shown worse"


def _finding(cold: ColdMetrics, pair: Comparison, candidate: str, decision: Decision) -> ColdFinding:
    return ColdFinding(
        feature=cold.feature,
        task=cold.task,
        rival=pair.reference,
        rows=cold.rows,
        own=cold.logmae[candidate],
        reference=cold.logmae[pair.reference],
        improvement=pair.improvement,
        low=pair.low,
        high=pair.high,
        decision=decision,
    )
