"""Which numbers of a day are not as earlier days let expect, and which of them stop the run.

`comparisons.py` says what is compared. A number is outside where it is not in its prediction interval for one new day,
forecast ± t(d, 1 − α / 4m) · error · sqrt(r). The narrower one of two intervals counts:

    level   the forecast is the mean of the n earlier days;
            error² = s² (1 + 1 / n), with their standard deviation s, and d = n − 1
    week    the forecast is yesterday's value, moved as it moved over the same two weekdays a week before;
            error² is the mean square that this forecast had on the earlier days, and d is their number

The first is surer where days scatter at random, the second where values drift or follow the week. Either error has the
usual sampling error in it; r ≥ 1 makes it larger for a day with fewer requests than usual. m counts all comparisons of
domains, or of the whole day, and α is `false_alarm` (Bonferroni: over m numbers, two intervals, two sides), for either
kind. With few earlier days a fixed factor takes the place of the intervals (`few_days_factor`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import exp, inf, log, sqrt
from statistics import fmean, variance
from typing import NamedTuple

from mtmd.config import DataConfig, Declarations
from mtmd.expectations import Measure
from mtmd.validate.comparisons import Comparison, comparisons
from mtmd.validate.results import DayProfile

_WEEK = 7
_LEAST_VOLUME = 1.2  # a change of rows by less is never remarkable, however alike earlier days are
_LOGARITHMS = {Measure.SCORES, Measure.VOLUME}
_WHOLE_DAY = {Measure.VOLUME, Measure.LABELS}


class _Forecast(NamedTuple):
    """What is expected of one new day: the variance of its error is known with `freedom` degrees of freedom."""

    expected: float
    variance: float
    freedom: int


class Interval(NamedTuple):
    """Lowest and highest ordinary value, and what is usual."""

    lowest: float
    usual: float
    highest: float


class Deviation(NamedTuple):
    """A number of today that is outside its interval: a row of the table `deviations`."""

    measure: Measure
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
    compared = comparisons(day, trailing, declarations)
    whole_day = sum(comparison.key.measure in _WHOLE_DAY for comparison in compared)
    for comparison in compared:
        together = whole_day if comparison.key.measure in _WHOLE_DAY else len(compared) - whole_day
        ordinary = interval(comparison, day.day, together, limits)
        if not ordinary.lowest <= comparison.today <= ordinary.highest:
            accepted = day.day in limits.accepted or _is_as_accepted(comparison, ordinary, day.day, limits)
            found.append(_deviation(comparison, ordinary, limits, accepted))
    return tuple(found)


def _is_as_accepted(comparison: Comparison, ordinary: Interval, day: date, limits: DataConfig) -> bool:
    """Whether a number is still where the day before had moved it, if that day's change is accepted.

    Beside four weeks of days as they were, that day alone makes no interval wide enough; two such days do. Distances of
    categories are changes themselves, so another one is another change.
    """
    before, measure = day - timedelta(days=1), comparison.key.measure
    if before not in limits.accepted or before not in comparison.earlier or measure is Measure.CATEGORIES:
        return False
    then = comparison.earlier[before]
    moved = _is_large(measure, then, ordinary.usual, limits)
    return moved and not _is_large(measure, comparison.today, then, limits)


def interval(comparison: Comparison, day: date, compared: int, limits: DataConfig) -> Interval:
    """What is ordinary on `day`, on which `compared` numbers are compared."""
    from scipy.special import stdtrit  # noqa: PLC0415 - a third of a second, and few runs need it

    earlier, measure = comparison.earlier, comparison.key.measure
    if len(earlier) < limits.min_trailing_days:
        return _few_days(measure, fmean(earlier.values()), limits.few_days_factor)
    tail = limits.false_alarm / (4 * compared)
    reach, usual = min(
        (-float(stdtrit(each.freedom, tail)) * sqrt(max(each.variance, comparison.floor)), each.expected)
        for each in (_level(earlier), *_week(earlier, day, limits.min_trailing_days))
    )
    reach *= sqrt(comparison.thinner)
    if measure is Measure.VOLUME:
        reach = max(reach, log(_LEAST_VOLUME))
    reach += 1e-9 * abs(usual)  # numbers that are equal but for the order of a sum are equal
    return Interval(-inf if measure is Measure.CATEGORIES else usual - reach, usual, usual + reach)


def _level(earlier: Mapping[date, float]) -> _Forecast:
    values, days = tuple(earlier.values()), len(earlier)
    return _Forecast(fmean(values), variance(values) * (1 + 1 / days), days - 1)


def _week(earlier: Mapping[date, float], day: date, least: int) -> Iterator[_Forecast]:
    """Of yesterday's value and last week's change; nothing where fewer than `least` errors are known."""

    def moved(to: date) -> float | None:
        yesterday, week_ago, day_before = (
            earlier.get(to - timedelta(days=age)) for age in (1, _WEEK, _WEEK + 1)
        )
        if yesterday is None or week_ago is None or day_before is None:
            return None
        return yesterday + week_ago - day_before

    today = moved(day)
    errors = [value - told for then, value in earlier.items() if (told := moved(then)) is not None]
    if today is not None and len(errors) >= least:
        yield _Forecast(today, fmean(error * error for error in errors), len(errors))


def _few_days(measure: Measure, usual: float, factor: float) -> Interval:
    match measure:
        case Measure.MIX | Measure.LABELS:
            return Interval(usual / factor, usual, usual * factor)
        case Measure.SCORES | Measure.VOLUME:
            return Interval(usual - log(factor), usual, usual + log(factor))
        case Measure.NULLS:  # young logs fill up; what goes missing is a broken join
            return Interval(-inf, usual, 1 - (1 - usual) / factor)
        case Measure.CATEGORIES:  # nobody knows yet how much they change from day to day
            return Interval(-inf, usual, inf)


def _deviation(comparison: Comparison, ordinary: Interval, limits: DataConfig, accepted: bool) -> Deviation:
    measure = comparison.key.measure
    observed, lowest, usual, highest = comparison.today, *ordinary
    shown = exp if measure in _LOGARITHMS else float
    return Deviation(
        *comparison.key,
        observed=shown(observed),
        usual=shown(usual),
        lowest=None if lowest == -inf else shown(lowest),
        highest=shown(highest),
        share=comparison.share,
        stops=_is_large(measure, observed, usual, limits)
        and comparison.share >= limits.stop_share
        and not accepted,
    )


def _is_large(measure: Measure, today: float, usual: float, limits: DataConfig) -> bool:
    """Whether the difference is large enough to spoil a model, however sure it is."""
    match measure:
        case Measure.MIX | Measure.LABELS:
            factor = limits.stop_mix_factor if measure is Measure.MIX else limits.stop_label_factor
            return today > usual * factor or usual > today * factor
        case Measure.SCORES | Measure.VOLUME:
            factor = limits.stop_score_factor if measure is Measure.SCORES else limits.stop_volume_factor
            return abs(today - usual) > log(factor)
        case Measure.NULLS:
            return abs(today - usual) > limits.stop_null_change
        case Measure.CATEGORIES:
            return today - usual > limits.stop_category_change
