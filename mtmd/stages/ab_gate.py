"""The optional gate of the simulated A/B: no metric over all impressions is shown worse than with the baselines."""

from collections.abc import Sequence

from mtmd.experiment import ABTest, Change
from mtmd.registry.gates import AB_TEST
from mtmd.registry.slice_gates import GateResult, holm


def ab_gate(tested: ABTest | None, significance: float) -> GateResult:
    """Fails for a metric that is worse beyond chance, for one that has no p-value at all, and for a test not run.

    Chance is that of the slice gates: one-sided p-values, Holm-corrected over the metrics, so that a candidate as good
    as the baselines is blocked at most as often as `significance` says, whatever the metrics have in common.
    """
    if tested is None:
        return GateResult(name=AB_TEST, passed=False, detail="the simulated A/B was not run")
    judged = [one for one in tested.whole if one.worse is not None]
    if not judged:
        return GateResult(
            name=AB_TEST, passed=False, detail="no metric could be judged: see the artifact ab-test"
        )
    corrected = holm([one.worse for one in judged if one.worse is not None])
    worse = [one for one, p in zip(judged, corrected, strict=True) if p < significance]
    said = _said(judged, corrected)
    if len(judged) < len(tested.whole):
        said += "; not judged: " + ", ".join(one.metric for one in tested.whole if one.worse is None)
    rival = "than with the per-slice baselines"
    if worse:
        names = ", ".join(one.metric for one in worse)
        head = f"{len(worse)} of {len(judged)} metrics over all impressions are worse {rival} ({names})"
    else:
        head = f"none of {len(judged)} metrics over all impressions is shown worse {rival}"
    return GateResult(name=AB_TEST, passed=not worse, detail=f"{head}: {said}")


def _said(judged: Sequence[Change], corrected: Sequence[float]) -> str:
    """The surest loss first."""
    ordered = sorted(zip(corrected, judged, strict=True), key=lambda pair: pair[0])
    return "; ".join(f"{one}, p {p:.2g}" for p, one in ordered)
