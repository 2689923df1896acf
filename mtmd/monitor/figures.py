"""The champion's figures on a day against those at its promotion: as usual, suspected, or a breach.

The change of a figure is ln(value / reference), of AUC value − reference. A change is suspected where it is at least as
large as the preset says, in a bad direction, and beyond chance. It is a breach where it was suspected on the day before
as well, or is beyond doubt. The p-values of all figures of the day are corrected together (Holm).

A figure that was suspected on the day before, and not yet called a breach, is compared with the reference that it had
then: the daily run may have promoted a champion on that day, and figures of a promotion on a bad day would hide what is
wrong since. After a breach it is compared with the live champion's promotion again. What was suspected of a model that
was rolled back since is left out: it says nothing of the model that is live again.

How far an ordinary day may move a figure since promotion:

    noise = max( √( error² (1 + n / n₀) + d (least / 3)² ),  √d usual )

error is the standard error of the day's figure over requests, so error² n / n₀ is that of promotion's: n and n₀ are the
requests (of AUC, the actions) of the two days. least / 3 is how much days differ beyond their requests: a third of the
least change that can be a breach. It grows with the days since promotion, d, as the world drifts. `usual` is what the
changes on the earlier monitored days say, divided by √d: their four fifths quantile, as a standard deviation, so that a
cycle of the week counts and a rare bad day does not.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import NormalDist

import numpy as np

from mtmd.config import MonitorConfig
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.monitor.health import Finding, MonitorReport, Signal, said, suspected_before
from mtmd.monitor.sampling import DayFigures, SamplingErrors
from mtmd.promote.slice_gates import holm

Place = tuple[Signal, str]  # a signal and a slice's name
_LEAST_DAYS = 7  # earlier monitored days that say how much days differ: a whole week
_DAY_PART = 1 / 3  # of the least change
_QUANTILE = 0.8  # of the earlier changes: two days of a week may be unlike the others
_AS_DEVIATION = NormalDist().inv_cdf((1.0 + _QUANTILE) / 2.0)
_95 = NormalDist().inv_cdf(0.975)
_CALLED: Mapping[Signal, str] = {
    "logmae": "LogMAE",
    "calibration": "mean prediction / mean teacher",
    "auc": "AUC",
    "score shift": "mean prediction",
}


@dataclass(frozen=True)
class _Figure:
    """A figure of a slice on the day and at promotion.

    share      requests (of AUC, actions) of the day per request of promotion's
    least      the least change that can be a breach      bad   1: only a rise is, −1: only a fall, 0: both
    shortage   why it can't be judged; empty where it can
    before     what the day before suspected of it; where that was no breach, the reference is that suspicion's
    """

    signal: Signal
    where: str
    value: float | None
    reference: float | None
    reference_day: date | None
    error: float | None
    share: float
    least: float
    bad: int
    shortage: str
    aside: str = ""
    before: Finding | None = None

    @property
    def place(self) -> Place:
        return self.signal, self.where

    @property
    def change(self) -> float | None:
        if self.value is None or self.reference is None:
            return None
        if self.signal == "auc":
            return self.value - self.reference
        return math.log(self.value / self.reference) if self.value and self.reference else None

    def noise(self, day: date, usual: float) -> float:
        """Standard deviation of the change on ordinary days, where the figure is judged."""
        days = 1 if self.reference_day is None else (day - self.reference_day).days
        return deviation(self.error or 0.0, self.share, self.least, usual, days)

    @property
    def missing(self) -> str:
        """Why it is not judged; empty where it is."""
        undefined = self.change is None or self.error is None
        return self.shortage or ("undefined" if undefined else "")


def score_findings(
    now: DayFigures,
    promotion: EvaluationReport,
    earlier: Sequence[MonitorReport],
    config: MonitorConfig,
    *,
    standing: Collection[str],
) -> Iterator[Finding]:
    """Four figures of every slice, and of every task over its slices.

    `earlier` are reports of days before, any number of them; `standing` the champion and the models that it displaced,
    without those that were rolled back.
    """
    day, usual = now.report, usual_changes(earlier)
    suspicions = suspected_before(day.as_of, [report for report in earlier if report.champion in standing])
    figures: list[_Figure] = []
    for where in (*day.slices, *day.aggregates):
        own, then = day.get(day.candidate, where), promotion.get(promotion.candidate, where)
        figures += (
            _as_suspected(figure, suspicions.get(figure.place))
            for figure in _figures(own, then, promotion.as_of, now.errors[where], config)
        )
    judged = {
        figure.place: figure.noise(day.as_of, usual.get(figure.place, 0.0))
        for figure in figures
        if not figure.missing
    }
    chances = [
        chance(figure.change or 0.0, judged[figure.place], figure.bad)
        for figure in figures
        if not figure.missing
    ]
    corrected = dict(zip(judged, holm(chances), strict=True))
    for figure in figures:
        place = figure.place
        yield (
            _judged(figure, judged[place], corrected[place], config) if place in judged else _unjudged(figure)
        )


def _as_suspected(figure: _Figure, before: Finding | None) -> _Figure:
    if before is None:
        return figure
    if before.breach:
        return replace(figure, before=before)
    return replace(figure, reference=before.reference, reference_day=before.reference_day, before=before)


def _figures(
    own: SliceMetrics, then: SliceMetrics, day: date, errors: SamplingErrors, config: MonitorConfig
) -> Iterator[_Figure]:
    """`day` is promotion's."""
    where, by_requests = str(own.slice), own.requests / max(then.requests, 1)
    requests = _shortage((own.requests, then.requests), config.min_requests, "requests")
    actions = _shortage((own.positives, then.positives), config.min_actions, "actions")
    teacher = _teachers_change(own, then)
    yield _Figure(
        "logmae", where, own.logmae, then.logmae, day, errors.logmae,
        by_requests, math.log1p(config.logmae_rise), 1, requests,
    )  # fmt: skip
    yield _Figure(
        "calibration", where, own.teacher_calibration, then.teacher_calibration, day, errors.calibration,
        by_requests, math.log1p(config.calibration_shift), 0, requests,
    )  # fmt: skip
    yield _Figure(
        "auc", where, own.auc, then.auc, day, errors.auc,
        own.positives / max(then.positives, 1), config.auc_drop, -1, actions,
    )  # fmt: skip
    yield _Figure(
        "score shift", where, own.mean_prediction, then.mean_prediction, day, errors.prediction,
        by_requests, math.log1p(config.score_shift), 0, requests, aside=f"; the teacher's {teacher}",
    )  # fmt: skip


def _shortage(counts: tuple[int, int], least: int, noun: str) -> str:
    """Of the day's and promotion's counts."""
    if min(counts) >= least:
        return ""
    return f"{min(counts)} {noun}{' at promotion' if counts[0] >= least else ''}, {least} are needed"


def _teachers_change(own: SliceMetrics, then: SliceMetrics) -> str:
    if own.mean_teacher is None or not then.mean_teacher:
        return "is unknown"
    return f"{own.mean_teacher / then.mean_teacher - 1.0:+.0%}"


def _judged(figure: _Figure, noise: float, p: float, config: MonitorConfig) -> Finding:
    change = figure.change or 0.0
    size = figure.bad * change if figure.bad else abs(change)
    suspected = size >= figure.least and p < config.suspected_chance
    certain = suspected and p < config.certain_chance
    again = suspected and figure.before is not None and (figure.before.change or 0.0) * change > 0.0
    return _unjudged(figure).model_copy(
        update={
            "judged": True,
            "breach": certain or again,
            "suspected": suspected,
            "change": change,
            "noise": noise,
            "p": p,
            "words": f"{figure.where}: {_moved(figure, change, noise)}, {said(certain, again)}"
            if suspected
            else "",
        }
    )


def _unjudged(figure: _Figure) -> Finding:
    """The figure and its reference, with why it is not judged."""
    return Finding(
        signal=figure.signal,
        where=figure.where,
        value=figure.value,
        reference=figure.reference,
        reference_day=figure.reference_day,
        judged=False,
        breach=False,
        words=figure.missing,
    )


def _moved(figure: _Figure, change: float, noise: float) -> str:
    """`LogMAE 0.51 against 0.4 at promotion (+28 %, by chance ±12 %)`."""
    pair = f"{_CALLED[figure.signal]} {figure.value:.3g} against {figure.reference:.3g} at promotion"
    if figure.signal == "auc":
        return f"{pair} ({change:+.3f}, by chance ±{_95 * noise:.3f})"
    moved, by_chance = math.expm1(change), math.expm1(_95 * noise)
    return f"{pair} ({moved:+.0%}, by chance ±{by_chance:.0%}{figure.aside})"


def usual_changes(earlier: Sequence[MonitorReport]) -> dict[Place, float]:
    """Standard deviation of each figure's change in a day; none where fewer than a week's reports judged it."""
    changes: dict[Place, list[float]] = defaultdict(list)
    for report in earlier:
        for finding in report.findings:
            if finding.judged and finding.change is not None and finding.reference_day is not None:
                drifts = _drifts((report.day - finding.reference_day).days)
                changes[finding.signal, finding.where].append(abs(finding.change) / drifts)
    return {
        place: float(np.quantile(sizes, _QUANTILE)) / _AS_DEVIATION
        for place, sizes in changes.items()
        if len(sizes) >= _LEAST_DAYS
    }


def deviation(error: float, share: float, least: float, usual: float, days: int) -> float:
    """Standard deviation of a change on ordinary days; `share` is n / n₀, `days` those since promotion."""
    days_part = _drifts(days)
    return max(math.hypot(error * math.sqrt(1.0 + share), days_part * _DAY_PART * least), days_part * usual)


def chance(change: float, noise: float, bad: int) -> float:
    """p-value of a change that is normal with this noise: of a rise (bad = 1), a fall (−1), or either (0)."""
    z = change / noise / math.sqrt(2.0)
    return 0.5 * math.erfc(bad * z) if bad else math.erfc(abs(z))


def _drifts(days: int) -> float:
    """By how much days that are so far apart differ more than two in a row."""
    return math.sqrt(max(days, 1))
