"""The champion's figures on a day against those at its promotion, and a day's logs against the training days.

The change of a figure is ln(value / reference), of AUC value − reference. It is a breach where it is at least as large
as the preset says, in a bad direction, and beyond chance. The p-values of all figures of the day are corrected
together (Holm). How far an ordinary day, d days after promotion, may move a figure:

    noise = √( error² + promotion's error² + d (least / 3)² )

The errors are standard errors over requests. The last part is how much days differ beyond their requests: a third of
the least change that can be a breach. It grows with the days since promotion, as the world drifts.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product

from mtmd.config import MonitorConfig
from mtmd.evaluate.metrics import NAMED, Metric
from mtmd.evaluate.report import EvaluationReport, SliceMetrics, upper_tail
from mtmd.monitor.health import DRIFT, FRESHNESS, Finding
from mtmd.monitor.profiles import FeatureShift
from mtmd.promote.slice_gates import holm

_95 = 1.96


def watched(config: MonitorConfig) -> dict[str, float]:
    """Name of each metric that is watched, with the least change that can be a breach."""
    return {
        "logmae": math.log1p(config.logmae_rise),
        "teacher_calibration": math.log1p(config.calibration_shift),
        "auc": config.auc_drop,
        "mean_prediction": math.log1p(config.score_shift),
    }


def score_findings(
    now: EvaluationReport, promotion: EvaluationReport, config: MonitorConfig
) -> list[Finding]:
    """The watched figures of every slice, and of every task over its slices: `now` of the day alone."""
    days, found = max((now.as_of - promotion.as_of).days, 1), []
    for where, (name, least) in product((*now.slices, *now.aggregates), watched(config).items()):
        own, then = now.get(now.candidate, where), promotion.get(promotion.candidate, where)
        found.append((_finding(NAMED[name], own, then, least * math.sqrt(days) / 3, config), least))
    chances = holm([finding.p for finding, _ in found if finding.p is not None])
    corrected = iter(chances)
    return [
        finding if finding.p is None else _decided(finding, least, next(corrected), config)
        for finding, least in found
    ]


def _finding(
    metric: Metric, own: SliceMetrics, then: SliceMetrics, of_days: float, config: MonitorConfig
) -> Finding:
    """The figure beside promotion's with the p-value of its change alone; without one where it is not judged."""
    value, reference = metric.of(own), metric.of(then)
    finding = Finding(signal=metric.name, where=str(own.slice), value=value, reference=reference)
    errors = [metrics.errors[metric.name] for metrics in (own, then) if metric.name in metrics.errors]
    words = _shortage(metric, own, then, config)
    if words or not value or not reference or len(errors) < 2:
        return finding.model_copy(update={"judged": False, "words": words or "undefined"})
    change = math.log(value / reference) if metric.above else value - reference
    noise = math.hypot(*errors, of_days)
    if metric.better in {"lower", "higher"}:
        p = upper_tail(change if metric.better == "lower" else -change, noise)
    else:
        p = 2.0 * upper_tail(abs(change), noise)
    return finding.model_copy(update={"change": change, "noise": noise, "p": p})


def _shortage(metric: Metric, own: SliceMetrics, then: SliceMetrics, config: MonitorConfig) -> str:
    """`99 requests at promotion, 100 are needed`; empty where both days have enough."""
    least, counts, noun = config.min_requests, (own.requests, then.requests), "requests"
    if not metric.above:
        least, counts, noun = config.min_actions, (own.positives, then.positives), "actions"
    if min(counts) >= least:
        return ""
    return f"{min(counts)} {noun}{' at promotion' if counts[0] >= least else ''}, {least} are needed"


def _decided(finding: Finding, least: float, p: float, config: MonitorConfig) -> Finding:
    metric, change, noise = NAMED[finding.signal], finding.change or 0.0, finding.noise or 0.0
    bad = {"lower": change, "higher": -change}.get(metric.better or "", abs(change))
    if bad < least or p >= config.chance:
        return finding.model_copy(update={"p": p})
    moved, ordinary = f"{change:+.3f}", f"{_95 * noise:.3f}"
    if metric.above:
        moved, ordinary = f"{math.expm1(change):+.0%}", f"{math.expm1(_95 * noise):.0%}"
    words = (
        f"{finding.where}: {metric.label} {finding.value:.3g} against {finding.reference:.3g} at promotion "
        f"({moved}, by chance ±{ordinary})"
    )
    return finding.model_copy(update={"p": p, "breach": True, "words": words})


def freshness_findings(
    day: date, newest: date | None, champion: date | None, config: MonitorConfig
) -> Iterator[Finding]:
    """Are the day's logs there, and is the champion recent? `newest` is the newest day of logs."""
    late = newest is None or newest < day
    missing = f"the newest logs are of {newest or 'no day'}, not of {day}"
    yield Finding(signal=FRESHNESS, where="logs", breach=late, words=missing if late else "")
    age, most = None if champion is None else (day - champion).days, config.max_champion_age
    old = f"the champion is of {champion}, at most {most} days before {day} are allowed"
    off = age is None or age > most
    words = ("there is no champion" if champion is None else old) if off else ""
    yield Finding(signal=FRESHNESS, where="champion", value=age, reference=most, breach=off, words=words)


def drift_findings(
    shifts: Sequence[FeatureShift], day: date, promoted: date, config: MonitorConfig
) -> Iterator[Finding]:
    """PSI of each feature and domain, against the largest that the reference days have among themselves.

    The limit grows with the root of the days since promotion: ids come and go, and the training days get older.
    """
    drifts = math.sqrt(max((day - promoted).days, 1))
    usual: dict[tuple[str, str, str], float] = {}
    for shift in shifts:
        if shift.day != day:
            usual[shift.place] = max(usual.get(shift.place, 0.0), shift.psi)
    for shift in (one for one in shifts if one.day == day):
        largest, where = usual.get(shift.place), f"{shift.feature} × {shift.domain}"
        limit = drifts * max(config.psi, config.psi_margin * (largest or 0.0))
        judged = shift.rows >= config.min_rows
        off = judged and shift.psi > limit
        words = f"{where}: PSI {shift.psi:.2f} is above {limit:.2f}" if off else ""
        yield Finding(
            signal=DRIFT,
            where=where,
            value=shift.psi,
            reference=largest,
            judged=judged,
            breach=off,
            words=words if judged else f"{shift.rows} rows, {config.min_rows} are needed",
        )
