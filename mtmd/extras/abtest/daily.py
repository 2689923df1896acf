"""The simulated A/B test as a gate: no metric over all impressions is shown worse than with the baselines."""

from collections.abc import Sequence

from mtmd.evaluate.stage import Evaluated
from mtmd.extras.abtest import Settings
from mtmd.extras.abtest.stage import ABTest
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
    as the baselines is blocked at most as often as `significance` says, whatever the metrics have in common.
    """
    judged = {change: change.worse for change in tested.whole if change.worse is not None}
    corrected = list(zip(holm(list(judged.values())), judged, strict=True))
    worse = [change.metric for p, change in corrected if p < significance]
    surest_first = sorted(corrected, key=lambda pair: pair[0])
    said = [f"{change}".replace("-", "−") + chance(p) for p, change in surest_first]
    said += [f"{change} and not judged" for change in tested.whole if change.worse is None]
    names = f"{len(worse)} of {len(judged)} metrics over all impressions are shown worse"
    names += f" ({', '.join(worse)})" if worse else ""
    detail = f"{names} than with the per-slice baselines: {'; '.join(said)}"
    return GateResult(name=AB_TEST, passed=bool(judged) and not worse, detail=detail, overridable=True)
