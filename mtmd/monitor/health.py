"""What the monitor finds on a day: the champion's figures, feature drift and freshness.

A day is compared with the champion's promotion, and its features with the champion's training days.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

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


class MonitorReport(Frozen):
    """A day, seen with the champion's eyes."""

    line: str = Field(description="the preset's name")
    day: date
    champion: str | None
    champion_as_of: date | None
    findings: tuple[Finding, ...]

    @property
    def breaches(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.breach)

    @property
    def words(self) -> str:
        """`all is well`, or the breaches, the first few in full."""
        if not self.breaches:
            return "all is well"
        shown = "; ".join(one.words for one in self.breaches[:3])
        noun = "breach" if len(self.breaches) == 1 else "breaches"
        more = f" and {len(self.breaches) - 3} more" if len(self.breaches) > 3 else ""
        return f"{len(self.breaches)} {noun}: {shown}{more}"

    def of(self, signal: Signal) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(one for one in self.findings if one.signal == signal)


def freshness_findings(
    day: date, newest: date | None, champion: date | None, config: MonitorConfig
) -> Iterator[Finding]:
    """Are the day's logs there, and is the champion recent? `newest` is the newest day of logs."""
    lag = None if newest is None else float(max((day - newest).days, 0))
    late = lag is None or lag > 0
    missing = (
        f"the newest logs are of {newest}, not of {day}"
        if newest
        else f"there are no logs, of {day} or any other day"
    )
    yield Finding(
        signal="freshness",
        where="logs",
        value=lag,
        reference=0.0,
        judged=True,
        breach=late,
        words=missing if late else "",
    )
    age = None if champion is None else float((day - champion).days)
    old = age is None or age > config.max_champion_age
    allowed = f"at most {config.max_champion_age} days before {day} are allowed"
    yield Finding(
        signal="freshness",
        where="champion",
        value=age,
        reference=float(config.max_champion_age),
        judged=True,
        breach=old,
        words=(f"the champion is of {champion}, {allowed}" if champion else "there is no champion")
        if old
        else "",
    )


def score_findings(
    now: EvaluationReport, promotion: EvaluationReport, config: MonitorConfig
) -> Iterator[Finding]:
    """The champion on the day against itself on the day it was promoted for, by slice and over a task's slices."""
    for where in (*now.slices, *now.aggregates):
        own, then = now.get(now.candidate, where), promotion.get(promotion.candidate, where)
        enough = own.requests >= config.min_requests and then.requests >= config.min_requests
        yield _logmae(own, then, enough, config)
        yield _calibration(own, then, enough, config)
        yield _auc(own, then, config)
        yield _shift(own, then, enough, config)


def drift_findings(shifts: Sequence[FeatureShift], day: date, config: MonitorConfig) -> Iterator[Finding]:
    """PSI of each feature and domain, against the largest that the reference days have among themselves."""
    usual: dict[tuple[str, str, str], float] = {}
    for one in shifts:
        if one.day != day:
            key = one.side, one.feature, one.domain
            usual[key] = max(usual.get(key, 0.0), one.psi)
    for one in shifts:
        if one.day != day:
            continue
        limit = max(config.psi, config.psi_margin * usual.get((one.side, one.feature, one.domain), 0.0))
        where = f"{one.feature} × {one.domain}"
        judged = one.rows >= config.min_rows
        breach = judged and one.psi > limit
        yield Finding(
            signal="feature drift",
            where=where,
            value=one.psi,
            reference=usual.get((one.side, one.feature, one.domain)),
            judged=judged,
            breach=breach,
            words=f"{where}: PSI {one.psi:.2f} is above {limit:.2f}" if breach else "",
        )


def _logmae(own: SliceMetrics, then: SliceMetrics, enough: bool, config: MonitorConfig) -> Finding:
    rise = _ratio(own.logmae, then.logmae)
    figures = f"LogMAE {_text(own.logmae)} against {_text(then.logmae)} at promotion"
    words = f"{figures}, at most {config.logmae_rise:+.0%} is allowed"
    return _finding(
        "logmae",
        own,
        own.logmae,
        then.logmae,
        rise,
        enough,
        rise is not None and rise > config.logmae_rise,
        words,
    )


def _calibration(own: SliceMetrics, then: SliceMetrics, enough: bool, config: MonitorConfig) -> Finding:
    value = own.teacher_calibration
    off = value is not None and not config.calibration_low <= value <= config.calibration_high
    bounds = f"between {config.calibration_low} and {config.calibration_high}"
    words = f"mean prediction / mean teacher {_text(value)} must be {bounds}"
    return _finding("calibration", own, value, then.teacher_calibration, value, enough, off, words)


def _auc(own: SliceMetrics, then: SliceMetrics, config: MonitorConfig) -> Finding:
    drop = None if own.auc is None or then.auc is None else then.auc - own.auc
    enough = min(own.positives, then.positives) >= config.min_actions
    words = f"AUC {_text(own.auc)} against {_text(then.auc)} at promotion, at most {config.auc_drop} less is allowed"
    return _finding(
        "auc", own, own.auc, then.auc, drop, enough, drop is not None and drop > config.auc_drop, words
    )


def _shift(own: SliceMetrics, then: SliceMetrics, enough: bool, config: MonitorConfig) -> Finding:
    shift = _ratio(own.mean_prediction, then.mean_prediction)
    teacher = _ratio(own.mean_teacher, then.mean_teacher)
    moved = "unknown" if teacher is None else f"{teacher:+.0%}"
    words = "" if shift is None else f"mean prediction {shift:+.0%} since promotion (the teacher's: {moved})"
    off = shift is not None and abs(shift) > config.score_shift
    return _finding("score shift", own, own.mean_prediction, then.mean_prediction, shift, enough, off, words)


def _finding(
    signal: Signal,
    own: SliceMetrics,
    value: float | None,
    reference: float | None,
    measured: float | None,
    enough: bool,
    off: bool,
    words: str,
) -> Finding:
    judged = enough and measured is not None
    breach = judged and off
    return Finding(
        signal=signal,
        where=str(own.slice),
        value=value,
        reference=reference,
        judged=judged,
        breach=breach,
        words=f"{own.slice}: {words}" if breach else "",
    )


def _ratio(own: float | None, then: float | None) -> float | None:
    """Relative change."""
    return None if own is None or not then else own / then - 1.0


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"
