"""What the monitor finds on a day: the champion's figures, feature drift and freshness.

A day is compared with the champion's promotion, and its features with the champion's training days.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen, MonitorConfig
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.monitor.profiles import FeatureShift

Signal = Literal["freshness", "logmae", "calibration", "auc", "score shift", "feature drift"]


class Finding(Frozen):
    """One number of a day against what it was at promotion, or in training."""

    signal: Signal
    where: str = Field(description="a slice, a feature and domain, or what freshness is of")
    value: float | None
    reference: float | None = Field(description="at promotion, or the largest of the training days")
    judged: bool = Field(description="False where there is too little data to judge")
    breach: bool
    words: str = Field("", description="what is wrong; empty without a breach")

    @classmethod
    def of(
        cls,
        signal: Signal,
        where: str,
        value: float | None,
        reference: float | None,
        *,
        judged: bool = True,
        off: bool,
        words: str,
    ) -> Self:
        """A breach where it is judged and off, which `words` say."""
        breach = judged and off
        return cls(
            signal=signal,
            where=where,
            value=value,
            reference=reference,
            judged=judged,
            breach=breach,
            words=words if breach else "",
        )


class MonitorReport(Frozen):
    """A day, seen with the champion's eyes."""

    line: str = Field(description="the preset's name")
    day: date
    champion: str | None
    champion_as_of: date | None
    findings: tuple[Finding, ...]

    @property
    def breaches(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.breach)

    @property
    def words(self) -> str:
        """`all is well`, or the breaches, the first few in full."""
        if not self.breaches:
            return "all is well"
        shown = "; ".join(finding.words for finding in self.breaches[:3])
        noun = "breach" if len(self.breaches) == 1 else "breaches"
        more = f" and {len(self.breaches) - 3} more" if len(self.breaches) > 3 else ""
        return f"{len(self.breaches)} {noun}: {shown}{more}"

    def of(self, signal: Signal) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.signal == signal)


def freshness_findings(
    day: date, newest: date | None, champion: date | None, config: MonitorConfig
) -> Iterator[Finding]:
    """Are the day's logs there, and is the champion recent? `newest` is the newest day of logs."""
    lag = None if newest is None else float(max((day - newest).days, 0))
    missing = f"the newest logs are of {newest}, not of {day}"
    if newest is None:
        missing = f"there are no logs, of {day} or any other day"
    yield Finding.of("freshness", "logs", lag, 0.0, off=lag != 0.0, words=missing)
    age, most = None if champion is None else float((day - champion).days), config.max_champion_age
    old = f"the champion is of {champion}, at most {most} days before {day} are allowed"
    if champion is None:
        old = "there is no champion"
    yield Finding.of("freshness", "champion", age, float(most), off=age is None or age > most, words=old)


def score_findings(
    now: EvaluationReport, promotion: EvaluationReport, config: MonitorConfig
) -> Iterator[Finding]:
    """The champion on the day against itself on the day it was promoted for, by slice and over a task's slices."""
    for where in (*now.slices, *now.aggregates):
        yield from _slice_findings(
            now.get(now.candidate, where), promotion.get(promotion.candidate, where), config
        )


def drift_findings(shifts: Sequence[FeatureShift], day: date, config: MonitorConfig) -> Iterator[Finding]:
    """PSI of each feature and domain, against the largest that the reference days have among themselves."""
    usual: dict[tuple[str, str, str], float] = {}
    for shift in shifts:
        if shift.day != day:
            usual[shift.place] = max(usual.get(shift.place, 0.0), shift.psi)
    for shift in shifts:
        if shift.day != day:
            continue
        largest = usual.get(shift.place)
        limit = max(config.psi, config.psi_margin * (largest or 0.0))
        where = f"{shift.feature} × {shift.domain}"
        yield Finding.of(
            "feature drift",
            where,
            shift.psi,
            largest,
            judged=shift.rows >= config.min_rows,
            off=shift.psi > limit,
            words=f"{where}: PSI {shift.psi:.2f} is above {limit:.2f}",
        )


def _slice_findings(own: SliceMetrics, then: SliceMetrics, config: MonitorConfig) -> Iterator[Finding]:
    """Four figures of a slice now and at promotion; one that is undefined, or has too little data, is not judged."""
    enough = min(own.requests, then.requests) >= config.min_requests
    acted = min(own.positives, then.positives) >= config.min_actions

    def finding(
        signal: Signal, value: float | None, reference: float | None, judged: bool, off: bool, words: str
    ) -> Finding:
        words = f"{own.slice}: {words}"
        return Finding.of(signal, str(own.slice), value, reference, judged=judged, off=off, words=words)

    rise = _change(own.logmae, then.logmae)
    words = f"LogMAE {_text(own.logmae)} against {_text(then.logmae)} at promotion, at most {config.logmae_rise:+.0%}"
    off = rise is not None and rise > config.logmae_rise
    yield finding("logmae", own.logmae, then.logmae, enough and rise is not None, off, f"{words} is allowed")

    ratio, low, high = own.teacher_calibration, config.calibration_low, config.calibration_high
    words = f"mean prediction / mean teacher {_text(ratio)} must be between {low} and {high}"
    off = ratio is not None and not low <= ratio <= high
    yield finding("calibration", ratio, then.teacher_calibration, enough and ratio is not None, off, words)

    drop = None if own.auc is None or then.auc is None else then.auc - own.auc
    words = f"AUC {_text(own.auc)} against {_text(then.auc)} at promotion, at most {config.auc_drop} less is allowed"
    off = drop is not None and drop > config.auc_drop
    yield finding("auc", own.auc, then.auc, acted and drop is not None, off, words)

    shift = _change(own.mean_prediction, then.mean_prediction)
    teacher = _percent(_change(own.mean_teacher, then.mean_teacher))
    words = f"mean prediction {_percent(shift)} since promotion (the teacher's: {teacher})"
    off = shift is not None and abs(shift) > config.score_shift
    judged = enough and shift is not None
    yield finding("score shift", own.mean_prediction, then.mean_prediction, judged, off, words)


def _change(own: float | None, then: float | None) -> float | None:
    """Relative change."""
    return None if own is None or not then else own / then - 1.0


def _percent(change: float | None) -> str:
    return "unknown" if change is None else f"{change:+.0%}"


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"
