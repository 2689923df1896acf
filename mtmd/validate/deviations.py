"""Which numbers of a day are not as earlier days let expect, and which of them stop the run.

`comparisons.py` says what is compared. A number is outside where it is not in its prediction interval for one new day,
forecast ± t(d, 1 − α / 2fm) · error · sqrt(r), which is chosen from f intervals. A mean score that has three weeks of
earlier days or more has the interval of a Gaussian process, of the one among f = 3 shapes that fits these days best
(`course.py`). Every other number has the narrower of f = 2 intervals:

    level   the forecast is the mean of the n earlier days;
            error² = s² (1 + 1 / n), with their standard deviation s, and d = n − 1
    week    the forecast is yesterday's value, moved as it moved over the same two weekdays a week before;
            error² is the mean square that this forecast had on the earlier days, and d is their number

The first is surer where days scatter at random, the second where values drift or follow the week. Either error has the
usual sampling error in it; r ≥ 1 makes it larger for a day with fewer requests than usual. m counts all comparisons of
domains, or of the whole day (`whole_day.py`), and α is `false_alarm` (Bonferroni: over m numbers, f choices, two
sides), for either kind. With few earlier days a fixed factor takes the
place of the intervals (`few_days_factor`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, inf, log, sqrt
from statistics import fmean, variance

from mtmd.config import DataConfig, Declarations
from mtmd.expectations.steadiness import Measure
from mtmd.validate.comparisons import Comparison, comparisons
from mtmd.validate.course import LEAST_DAYS, SHAPES, Forecast, forecast
from mtmd.validate.results import DayProfile
from mtmd.validate.whole_day import whole_day_comparisons

_WEEK = 7
# A change by less is never remarkable, however alike earlier days are; the largest of many values has a long tail.
_LEAST_FACTORS = {Measure.VOLUME: 1.2, Measure.MAGNITUDES: 10.0}
_LOGARITHMS = {Measure.SCORES, Measure.VOLUME, Measure.MAGNITUDES}


@dataclass(frozen=True)
class Interval:
    """Lowest and highest ordinary value, and what is usual."""

    lowest: float
    usual: float
    highest: float


@dataclass(frozen=True)
class Deviation:
    """A number of today that is outside its interval."""

    measure: str
    side: str
    domain: str
    subject: str
    observed: float
    usual: float
    lowest: float | None
    highest: float
    share: float
    stops: bool


def deviations(
    day: DayProfile, trailing: Sequence[DayProfile], declarations: Declarations, limits: DataConfig
) -> tuple[Deviation, ...]:
    """What of the day is outside its interval; `trailing` are the earlier days that count, oldest first.

    A deviation stops the run where its domain has `stop_share` of the candidates and it is beyond the `stop_` limit of
    its measure, unless the day's change is `accepted`, or the day before was accepted and the number is as it was then.
    """
    found = []
    for compared in (comparisons(day, trailing, declarations), whole_day_comparisons(day, trailing)):
        for comparison in compared:
            ordinary = interval(comparison, day.day, len(compared), limits)
            if not ordinary.lowest <= comparison.today <= ordinary.highest:
                accepted = day.day in limits.accepted or _is_as_accepted(
                    comparison, ordinary, day.day, limits
                )
                found.append(_deviation(comparison, ordinary, limits, accepted))
    return tuple(found)


def _is_as_accepted(comparison: Comparison, ordinary: Interval, day: date, limits: DataConfig) -> bool:
    """Whether a number is still where the day before had moved it, if that day's change is accepted.

    Beside four weeks of days as they were, that day alone makes no interval wide enough; two such days do. Distances of
    categories are changes themselves, so another one is another change.
    """
    before, measure = day - timedelta(days=1), comparison.measure
    if before not in limits.accepted or before not in comparison.earlier or measure is Measure.CATEGORIES:
        return False
    then = comparison.earlier[before]
    moved = _is_large(measure, then, ordinary.usual, limits)
    return moved and not _is_large(measure, comparison.today, then, limits)


def interval(comparison: Comparison, day: date, compared: int, limits: DataConfig) -> Interval:
    """What is ordinary on `day`, on which `compared` numbers are compared."""
    from scipy.special import stdtrit  # noqa: PLC0415 - a third of a second, and few runs need it

    earlier = comparison.earlier
    if len(earlier) < limits.min_trailing_days:
        return _few_days(comparison.measure, fmean(earlier.values()), limits.few_days_factor)
    forecasts, choices = _forecasts(comparison, day, limits.min_trailing_days)
    tail = limits.false_alarm / (2 * choices * compared)
    reaches = [
        -float(stdtrit(each.freedom, tail)) * sqrt(max(each.variance, comparison.floor) * comparison.thinner)
        for each in forecasts
    ]
    reach = min(reaches)
    usual = forecasts[reaches.index(reach)].expected
    reach = max(reach, log(_LEAST_FACTORS.get(comparison.measure, 1.0)))
    reach += 1e-9 * abs(usual)  # numbers that are equal but for the order of a sum are equal
    return Interval(-inf if comparison.measure is Measure.CATEGORIES else usual - reach, usual, usual + reach)


def _forecasts(comparison: Comparison, day: date, least: int) -> tuple[Sequence[Forecast], int]:
    """The forecasts, of which the one with the narrowest interval counts; and from how many that was chosen."""
    earlier = comparison.earlier
    if comparison.measure in {Measure.SCORES, Measure.VOLUME} and len(earlier) >= LEAST_DAYS:
        return (forecast(earlier, day),), len(SHAPES)
    return (_level(earlier), *_week(earlier, day, least)), 2


def _level(earlier: Mapping[date, float]) -> Forecast:
    values, days = tuple(earlier.values()), len(earlier)
    return Forecast(fmean(values), variance(values) * (1 + 1 / days), days - 1)


def _week(earlier: Mapping[date, float], day: date, least: int) -> Iterator[Forecast]:
    """Of yesterday's value and last week's change; nothing where fewer than `least` errors are known."""

    def moved(of: date) -> float | None:
        before = [earlier.get(of - timedelta(days=age)) for age in (1, _WEEK, _WEEK + 1)]
        yesterday, then, eve = before
        return None if yesterday is None or then is None or eve is None else yesterday + then - eve

    today = moved(day)
    errors = [value - told for own, value in earlier.items() if (told := moved(own)) is not None]
    if today is not None and len(errors) >= least:
        yield Forecast(today, fmean(error * error for error in errors), len(errors))


def _few_days(measure: Measure, usual: float, factor: float) -> Interval:
    match measure:
        case Measure.MIX | Measure.LABELS:
            return Interval(usual / factor, usual, usual * factor)
        case Measure.SCORES | Measure.VOLUME | Measure.MAGNITUDES:
            reach = log(max(factor, _LEAST_FACTORS.get(measure, 1.0)))
            return Interval(usual - reach, usual, usual + reach)
        case Measure.NULLS:  # young logs fill up; what goes missing is a broken join
            return Interval(-inf, usual, 1 - (1 - usual) / factor)
        case Measure.CATEGORIES:  # nobody knows yet how much they change from day to day
            return Interval(-inf, usual, inf)
        case Measure.CONSTANT:
            return Interval(usual, usual, usual)


def _deviation(comparison: Comparison, ordinary: Interval, limits: DataConfig, accepted: bool) -> Deviation:
    large = _is_large(comparison.measure, comparison.today, ordinary.usual, limits)
    shown = [comparison.today, ordinary.usual, ordinary.lowest, ordinary.highest]
    if comparison.measure in _LOGARITHMS:
        shown = [exp(value) for value in shown]
    return Deviation(
        measure=comparison.measure.value,
        side=comparison.side,
        domain=comparison.domain,
        subject=comparison.subject,
        observed=shown[0],
        usual=shown[1],
        lowest=None if ordinary.lowest == -inf else shown[2],
        highest=shown[3],
        share=comparison.share,
        stops=large and comparison.share >= limits.stop_share and not accepted,
    )


def _is_large(measure: Measure, today: float, usual: float, limits: DataConfig) -> bool:
    """Whether the difference is large enough to spoil a model, however sure it is."""
    match measure:
        case Measure.MIX | Measure.LABELS:
            factor = limits.stop_mix_factor if measure is Measure.MIX else limits.stop_label_factor
            return today > usual * factor or usual > today * factor
        case Measure.SCORES:
            return abs(today - usual) > log(limits.stop_score_factor)
        case Measure.VOLUME:
            return abs(today - usual) > log(limits.stop_volume_factor)
        case Measure.MAGNITUDES | Measure.CONSTANT:
            return False
        case Measure.NULLS:
            return abs(today - usual) > limits.stop_null_change
        case Measure.CATEGORIES:
            return today - usual > limits.stop_category_change
