"""The simulated A/B test as a gate: no metric over all impressions is shown worse than with the baselines."""

from collections.abc import Sequence

from mtmd.evaluate.stage import Evaluated
from mtmd.extras.abtest.outcome import ABTest
from mtmd.extras.abtest.settings import Settings
from mtmd.promote.findings import GateResult
from mtmd.promote.slice_gates import chance, holm
from mtmd.run import RunPlan
from mtmd.train.stage import Trained

AB_TEST = "a/b test"


def tested(plan: RunPlan, trained: Sequence[Trained], evaluated: Evaluated) -> GateResult | None:
    """Let the day's models serve, inside its flow; None where the preset has no such gate."""
    if not plan.preset.extra(Settings).gate:
        return None
    from mtmd.extras.abtest.flow import serve  # noqa: PLC0415 - the page reads this module without prefect

    return ab_gate(
        serve(plan, trained, champion=evaluated.incumbent.compared), plan.preset.gates.significance
    )


def ab_gate(tested: ABTest, significance: float) -> GateResult:
    """Fails for a metric that is worse beyond chance, and for a test that could judge no metric.

    Chance is that of the slice gates: one-sided p-values, Holm-corrected over the metrics, so that a candidate as good
    as the baselines is blocked at most as often as `significance` says, whatever the metrics have in common. A metric
    that follows from another in this world is not judged: it would be the same evidence twice, and make each of the
    others harder to find.
    """
    judged = [change for change in tested.distinct if change.worse is not None]
    if not judged:
        return _result(False, "no metric could be judged: see the artifact ab-test")
    corrected = holm([change.worse for change in judged if change.worse is not None])
    worse = [change for change, p in zip(judged, corrected, strict=True) if p < significance]
    surest_first = sorted(zip(corrected, judged, strict=True), key=lambda pair: pair[0])
    changes = "; ".join(f"{change}".replace("-", "−") + chance(p) for p, change in surest_first)
    if undefined := [change.metric for change in tested.distinct if change.worse is None]:
        changes += f"; not judged: {', '.join(undefined)}"
    if tested.follows:
        changes += f"; {tested.following_words} and are not judged again"
    rival = "than with the per-slice baselines"
    if worse:
        names = ", ".join(change.metric for change in worse)
        head = f"{len(worse)} of {len(judged)} metrics over all impressions are worse {rival} ({names})"
    else:
        head = f"none of {len(judged)} metrics over all impressions is shown worse {rival}"
    return _result(not worse, f"{head}: {changes}")


def _result(passed: bool, detail: str) -> GateResult:
    return GateResult(name=AB_TEST, passed=passed, detail=detail, overridable=True)
