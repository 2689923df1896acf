"""The calibration gate: the level of a model's predictions in each slice, beside the teacher's."""

import math

from mtmd.config import GatesConfig
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.promote.slice_gates import (
    GateResult,
    SliceFinding,
    chance,
    corrected,
    gate_result,
    normal_quantile,
    number,
    shortage,
    unjudged,
)


def calibrated(name: str, report: EvaluationReport, gates: GatesConfig) -> GateResult:
    """No slice whose mean prediction / mean teacher score is significantly outside its bounds."""
    findings = calibration_findings(report, report.candidate, gates)
    return gate_result(name, ("shown to be out of calibration", "not calibrated"), findings, gates)


def calibration_findings(
    report: EvaluationReport, predictor: str, gates: GatesConfig
) -> tuple[SliceFinding, ...]:
    """What is decided about each slice of the candidate, or of another predictor on the same rows.

    The logarithm of the ratio is taken as normal, with its standard error over requests.
    """
    rival = next(name for name in report.predictors if name != report.candidate)
    shortages = {  # a slice has the same requests whatever the candidate is compared with
        where: shortage(report, where, report.compared(rival, where).requests, gates)
        for where in report.slices
    }
    judged = {
        where: _out_of_bounds(report.get(predictor, where), gates)
        for where, shortage in shortages.items()
        if shortage is None
    }
    adjusted = corrected(judged)
    return tuple(
        _ratio(report.get(predictor, where), adjusted[where], gates, report.confidence)
        if where in adjusted
        else unjudged(where, shortages[where])
        for where in report.slices
    )


def _out_of_bounds(metrics: SliceMetrics, gates: GatesConfig) -> float:
    """One-sided p-value: so far out a ratio from a model that is within its bounds; 0 for no ratio at all."""
    ratio = metrics.teacher_calibration
    if not ratio:
        return 0.0
    excess = max(math.log(gates.calibration_low / ratio), math.log(ratio / gates.calibration_high))
    if not metrics.calibration_error:
        return 0.0 if excess > 0.0 else 1.0
    return 0.5 * math.erfc(excess / metrics.calibration_error / math.sqrt(2.0))


def _ratio(metrics: SliceMetrics, p: float, gates: GatesConfig, confidence: float) -> SliceFinding:
    ratio, interval = metrics.teacher_calibration, ""
    if ratio and metrics.calibration_error is not None:
        half = normal_quantile((1.0 + confidence) / 2.0) * metrics.calibration_error
        interval = f" [{ratio * math.exp(-half):.3g}, {ratio * math.exp(half):.3g}]"
    bounds = f"between {gates.calibration_low} and {gates.calibration_high}"
    return SliceFinding(
        **metrics.slice._asdict(),
        decision="wrong" if p < gates.significance else "not shown wrong",
        words=f"mean prediction / mean teacher {number(ratio)}{interval}, {bounds}{chance(p)}",
        own=ratio,
        p=p,
    )
