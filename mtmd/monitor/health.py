"""What the monitor finds on a day: the champion's figures against those at its promotion, logs against training days.

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
from typing import NamedTuple

from pydantic import Field

from mtmd.config import Frozen, MonitorConfig, Slice
from mtmd.evaluate.metrics import LOGMAE, NAMED, Metric, error_at, level_at
from mtmd.evaluate.report import Estimate, EvaluationReport, SliceMetrics, upper_tail
from mtmd.promote.slice_gates import holm

FRESHNESS, DRIFT = "freshness", "feature drift"  # signals beside the names of the metrics that are watched
SERVED = "served"  # begins the signals of what models answered
_95 = 1.96


class FeatureShift(Frozen):
    """How far one feature of one domain lies from the reference on a day."""

    day: date
    side: str
    feature: str
    domain: str
    rows: int
    psi: float

    @property
    def place(self) -> tuple[str, str, str]:
        return self.side, self.feature, self.domain


class Finding(Frozen):
    """One number of a day against what it was at promotion, or in training."""

    signal: str = Field(description="the metric's name, or freshness or feature drift")
    where: str = Field(description="a slice, a feature and domain, or what freshness is of")
    value: float | None = None
    reference: float | None = Field(None, description="at promotion, or the largest of the training days")
    judged: bool = Field(True, description="False where there is too little data to judge")
    breach: bool = False
    words: str = Field("", description="what is wrong, or why it is not judged; else empty")
    change: Estimate | None = Field(
        None, exclude_if=lambda change: change is None, description="of what was served, with its interval"
    )


class Answered(Frozen):
    """What a model's answers were worth in one task on a day, or what share of rows it left without a score."""

    model: str
    task: str = Field(description="`all` of the share of rows without a score")
    users: int
    shown: int = Field(description="rows that were shown to them")
    actions: int
    measures: dict[str, tuple[float, float]] = Field(
        description="name → value and standard error over users, of a ratio that of its logarithm"
    )


class Watch(NamedTuple):
    """What was found of the models that answered: their measures, who is judged, and the comparisons."""

    served: tuple[Answered, ...] = ()
    words: str = ""
    findings: tuple[Finding, ...] = ()


class MonitorReport(Frozen):
    """A day, seen with the champion's eyes."""

    line: str = Field(description="the preset's name")
    day: date
    champion: str | None
    champion_as_of: date | None
    findings: tuple[Finding, ...]
    served: tuple[Answered, ...] = Field((), exclude_if=lambda served: not served)
    watched: str = Field(
        "", exclude_if=lambda words: not words, description="who is on probation, or in a rollout; in words"
    )

    @property
    def unfit(self) -> tuple[Finding, ...]:
        """What the champion that is on probation, or in a rollout, does too badly."""
        return tuple(finding for finding in self.breaches if finding.signal.startswith(SERVED))

    @property
    def passed(self) -> bool:
        """Whether what people did with the champion's answers was judged, and no breach found."""
        judged = (one.judged for one in self.of(f"{SERVED} calibration"))
        return any(judged) and not self.unfit

    @property
    def breaches(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.breach)

    @property
    def unjudged(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.judged)

    @property
    def verdict(self) -> str:
        """`all is well`, `2 breaches`; and how much could be judged, where that is not all."""
        count, judged = len(self.breaches), len(self.findings) - len(self.unjudged)
        words = f"{count} breach{'' if count == 1 else 'es'}" if count else "all is well"
        return words + (
            f", {judged} of {len(self.findings)} numbers could be judged" if self.unjudged else ""
        )

    @property
    def words(self) -> str:
        """The verdict with what is wrong, the first few in full."""
        words, found = self.verdict, self.breaches
        if found:
            words += f": {'; '.join(finding.words for finding in found[:3])}"
            words += f" and {len(found) - 3} more" if len(found) > 3 else ""
        return words

    def of(self, signal: str) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.signal == signal)


def score_findings(
    now: EvaluationReport, promotion: EvaluationReport, config: MonitorConfig
) -> list[Finding]:
    """The watched figures of every slice, and of every task over its slices: `now` of the day alone."""
    days = max((now.as_of - promotion.as_of).days, 1)
    findings, changes = list[Finding](), dict[int, _Change]()
    watched = [
        (where, *one) for where in (*now.slices, *now.aggregates) for one in _watched(now, where, config)
    ]
    for where, metric, least in watched:
        own, then = now.get(now.candidate, where), promotion.get(promotion.candidate, where)
        words = _shortage(metric, own, then, config)
        if not words:
            changes[len(findings)] = _Change.of(metric, own, then, least, days)
        values = {"value": metric.of(own), "reference": metric.of(then)}
        findings.append(
            Finding(signal=metric.name, where=str(where), judged=not words, words=words, **values)
        )
    chances = holm([change.p for change in changes.values()])
    for (place, change), p in zip(changes.items(), chances, strict=True):
        if change.large and p < config.chance:
            said = {"breach": True, "words": f"{findings[place].where}: {change.words}"}
            findings[place] = findings[place].model_copy(update=said)
    return findings


def _watched(report: EvaluationReport, where: Slice, config: MonitorConfig) -> Iterator[tuple[Metric, float]]:
    """Each metric that is watched there, with the least change that can be a breach."""
    error = error_at(report, where)
    yield error, math.log1p(config.logmae_rise if error is LOGMAE else config.ne_rise)
    if not report.actions.get(where.task):  # else the day's labels are not final
        yield level_at(report, where), math.log1p(config.calibration_shift)
    yield NAMED["auc"], config.auc_drop
    yield NAMED["mean_prediction"], math.log1p(config.score_shift)


class _Change(NamedTuple):
    """How a figure changed: whether that can be a breach, how likely chance does as much to it alone, in words."""

    large: bool
    p: float
    words: str

    @classmethod
    def of(cls, metric: Metric, own: SliceMetrics, then: SliceMetrics, least: float, days: int) -> "_Change":
        value, reference = metric.of(own) or math.nan, metric.of(then) or math.nan
        change = math.log(value / reference) if metric.above else value - reference
        noise = math.hypot(own.errors[metric.name], then.errors[metric.name], least * math.sqrt(days) / 3)
        bad = {"lower": change, "higher": -change}.get(metric.better or "", abs(change))
        sides = 1.0 if metric.better in {"lower", "higher"} else 2.0
        moved, ordinary = f"{change:+.3f}", f"{_95 * noise:.3f}"
        if metric.above:
            moved, ordinary = f"{math.expm1(change):+.0%}", f"{math.expm1(_95 * noise):.0%}"
        words = f"{metric.label} {value:.3g} against {reference:.3g} at promotion ({moved}, by chance ±{ordinary})"
        return cls(bad >= least, sides * upper_tail(bad, noise), words)


def _shortage(metric: Metric, own: SliceMetrics, then: SliceMetrics, config: MonitorConfig) -> str:
    """`99 requests at promotion, 100 are needed`; empty where a figure can be judged on both days."""
    least, counts, noun = config.min_requests, (own.requests, then.requests), "requests"
    if not metric.above:
        least, counts, noun = config.min_actions, (own.positives, then.positives), "actions"
    if min(counts) < least:
        return f"{min(counts)} {noun}{' at promotion' if counts[0] >= least else ''}, {least} are needed"
    known = all(metric.of(one) and metric.name in one.errors for one in (own, then))
    return "" if known else "undefined"


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
