"""The gates that judge slices: none may be significantly worse than a rival's, or out of calibration.

A slice with few requests is "not enough data", neither a pass nor a failure. In the others chance decides how much
worse is worse: the p-values of all that a gate judges are corrected together (Holm), so that a candidate as good
as its rival is blocked at most as often as `significance` says. What is "not shown worse" may still be worse by
less than the slice can show; `detectable` of each finding says which loss would have been found.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

from mtmd.config import GatesConfig, Slice
from mtmd.evaluate.metrics import Metric, applies, error_at, level_at
from mtmd.evaluate.report import Comparison, EvaluationReport, SliceMetrics, upper_tail
from mtmd.promote.findings import Decision, GateResult, SliceFinding

P_SHOWN = 0.1  # a larger p-value says no more than that nothing was found
_CALLED = {"per_slice": "baseline"}


def against(
    name: str,
    reference: str,
    tolerance: float,
    report: EvaluationReport,
    gates: GatesConfig,
    *,
    metric: Metric | None = None,
    whole_better: bool = False,
    called: str | None = None,
) -> GateResult:
    """No slice, and no task over its slices, significantly worse than a rival by more than a tolerance.

    `metric` is compared in pairs; left out, it is the error of each place. `called` is the rival's name for people.
    With `whole_better` each task must also be shown better over its slices, which have the requests for it.
    """
    if reference not in report.predictors:
        detail = f"the evaluation has no predictor {reference!r}; evaluate it"
        return GateResult(name=name, passed=False, detail=detail)
    pairs = {
        where: report.compared(reference, where, metric=(metric or error_at(report, where)).name)
        for where in (*report.slices, *report.aggregates)
        if metric is None or applies(metric, report, where)
    }
    chances = {where: pair.worse_by_chance(tolerance) for where, pair in pairs.items()}
    called = called or _CALLED.get(reference, reference)

    def found(where: Slice, p: float, judged: int) -> SliceFinding:
        pair, least = pairs[where], NormalDist().inv_cdf(1.0 - gates.significance / judged)
        measure = metric or error_at(report, where)
        own, rival = (measure.of(report.get(name, where)) for name in (report.candidate, reference))
        words = f"{measure.label} {_number(own)}, {called} {_number(rival)}: {_percent(pair.improvement)} "
        return SliceFinding(
            **where._asdict(),
            decision=_decision(pair, p, gates, whole_better),
            words=f"{words}[{_percent(pair.low)}, {_percent(pair.high)}]{chance(p)}",
            own=own,
            reference=rival,
            improvement=pair.improvement,
            low=pair.low,
            high=pair.high,
            detectable=-math.expm1(math.log1p(tolerance) + least * (pair.standard_error or 0.0)),
        )

    findings = _judged(report, chances, gates, found, metric)
    age = report.ages.get(reference)
    rival = f"the {called}"
    if age is not None:
        rival += f" of {age} days ago (weaker than one of today: passing says less)"
    if tolerance:
        rival += f" by more than {tolerance * 100:g}%"
    passes, fails = f"shown worse than {rival}", f"worse than {rival}"
    if whole_better:
        passes += ", and every task is better over its slices"
        fails += ", or not shown better over a task's slices"
    return _result(name, (passes, fails), findings, gates)


def calibrated(name: str, report: EvaluationReport, gates: GatesConfig) -> GateResult:
    """No slice whose mean prediction / mean teacher score, or rate of actions, is significantly outside its bounds.

    The logarithm of the ratio is taken as normal, with its standard error over requests. A task whose labels of the
    held-out day are not final yet is not asked.
    """
    late = [task for task, days in report.actions.items() if days]
    own = {where: report.get(report.candidate, where) for where in report.slices if where.task not in late}
    if not own:
        return GateResult.not_applicable(name, f"no task's labels of {report.as_of} are final yet")
    chances = {
        where: _out_of_bounds(metrics, level_at(report, where), gates) for where, metrics in own.items()
    }
    bounds = f"between {gates.calibration_low} and {gates.calibration_high}"

    def found(where: Slice, p: float, _: int) -> SliceFinding:
        metric = level_at(report, where)
        level, interval = metric.of(own[where]), metric.interval(own[where], report.confidence)
        wanted = "rate of actions" if where.task in report.actions else "mean teacher"
        words = _number(level) + (f" [{interval[0]:.3g}, {interval[1]:.3g}]" if interval else "")
        return SliceFinding(
            **where._asdict(),
            decision="wrong" if p < gates.significance else "not shown wrong",
            words=f"mean prediction / {wanted} {words}, {bounds}{chance(p)}",
            own=level,
        )

    findings = _judged(report, chances, gates, found)
    result = _result(name, ("shown to be out of calibration", "not calibrated"), findings, gates)
    words = f"; labels of {', '.join(late)} are not final yet" if late else ""
    return result.model_copy(update={"detail": result.detail + words})


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: reject where one is below α, and the chance of any false rejection is at most α.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
    """
    adjusted, worst = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = worst
    return adjusted


def chance(p: float) -> str:
    """The p-value where it tells something."""
    if p >= P_SHOWN:
        return ""
    return ", p < 0.0001" if p < 0.0001 else f", p {p:.2g}"


def _judged(
    report: EvaluationReport,
    chances: Mapping[Slice, float | None],
    gates: GatesConfig,
    found: Callable[[Slice, float, int], SliceFinding],
    metric: Metric | None = None,
) -> list[SliceFinding]:
    """A finding of each place, from its corrected p-value and the number of places that have the data for one."""
    shortages = {where: _shortage(report, where, gates, metric) for where in chances}
    judged = {where: p for where, p in chances.items() if not shortages[where] and p is not None}
    adjusted = dict(zip(judged, holm(list(judged.values())), strict=True))
    return [
        found(where, adjusted[where], len(judged))
        if where in adjusted
        else SliceFinding(
            **where._asdict(),
            decision="not enough data",
            words=f"not judged ({shortages[where] or 'an empty resample'})",
        )
        for where in chances
    ]


def _shortage(report: EvaluationReport, where: Slice, gates: GatesConfig, metric: Metric | None) -> str:
    """What a slice has too little of to be judged, whatever the candidate is compared with; empty for nothing."""
    rival = next(name for name in report.predictors if name != report.candidate)
    requests = report.compared(rival, where, metric=(metric or error_at(report, where)).name).requests
    if requests < gates.min_requests:
        return f"{requests:.0f} effective requests"
    actions = report.get(report.candidate, where).positives
    least = max(gates.min_actions, where.task in report.actions)  # without any, NE is undefined
    return f"{actions} actions" if actions < least else ""


def _decision(pair: Comparison, p: float, gates: GatesConfig, whole_better: bool) -> Decision:
    """A task over its slices may need to be shown better; of a slice, not being worse is enough."""
    if p < gates.significance:
        return "worse"
    if pair.low is not None and pair.low > 0:
        return "better"
    return "not shown better" if whole_better and pair.is_task else "not shown worse"


def _out_of_bounds(metrics: SliceMetrics, metric: Metric, gates: GatesConfig) -> float:
    """One-sided p-value: so far out a ratio from a model that is within its bounds; 0 for no ratio at all."""
    level = metric.of(metrics)
    if not level:
        return 0.0
    excess = max(math.log(gates.calibration_low / level), math.log(level / gates.calibration_high))
    return upper_tail(excess, metrics.errors.get(metric.name, 0.0))


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.1%}".replace("-", "−")


def _result(
    name: str, claims: tuple[str, str], findings: Sequence[SliceFinding], gates: GatesConfig
) -> GateResult:
    """Claims: what no slice is when the gate passes, and offenders are. One that could judge no slice does not pass."""
    judged = [finding for finding in findings if finding.judged]
    offending = [finding for finding in judged if finding.blocks]
    least = f"fewer than {gates.min_requests:g} effective requests"
    if gates.min_actions:
        least += f" or {gates.min_actions} actions"
    detail = f"none of {len(judged)} slices and tasks is {claims[0]}"
    if not judged:
        detail = f"no slice has enough held-out data to be judged ({least}); see [gates]"
    elif offending:
        named = "; ".join(map(str, offending))
        detail = f"{len(offending)} of {len(judged)} slices and tasks are {claims[1]}: {named}"
    if judged and (others := len(findings) - len(judged)):
        detail += f"; {others} not judged ({least})"
    passed = bool(judged) and not offending
    return GateResult(name=name, passed=passed, detail=detail, slices=tuple(findings))
