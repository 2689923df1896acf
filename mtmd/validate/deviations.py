"""Which numbers of a day are so far from those of earlier days that a model would be spoiled.

A number deviates where it is both beyond the limit of its measure, which is a factor or a change, and outside the
prediction interval of the n earlier days for one new day,

    mean ± t(n − 1, 1 − α / 2m) · s · sqrt(1 + 1 / n),

with their standard deviation s. Numbers of rows and mean scores are taken as logarithms: half as many is as far as
twice as many. m counts the numbers that are compared, and α is `false_alarm` (Bonferroni). With few earlier days only
`few_days_factor` decides, and rates of nulls and categories are not judged. Values of categories are compared from day
to day, because they also drift: their number is the distance from the day before.
"""

from collections.abc import Iterator, Sequence
from math import exp, inf, log, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from mtmd.config import DataConfig
from mtmd.expectations import Measure
from mtmd.validate.results import DayProfile, Number

FACTORS = {
    Measure.MIX: 1.5,  # a domain's share
    Measure.SCORES: 1.2,  # less than the gates on calibration allow
    Measure.VOLUME: 3.0,
    Measure.ROWS: 1.6,  # only shown: half a day may be a holiday, a third of one is hardly any
    Measure.LABELS: 3.0,
}
LOGARITHMS = {Measure.SCORES, Measure.VOLUME, Measure.ROWS}
_FARTHEST = 700.0  # the largest logarithm, nearly, of a number that a float can hold
CHANGES = {
    Measure.NULLS: 0.2,
    Measure.CATEGORIES: 0.2,  # share of rows with another category, beyond the usual
}


class Deviation(NamedTuple):
    """A number of today that is not as usual: a row of the table `deviations`."""

    measure: Measure
    side: str
    domain: str
    subject: str
    observed: float
    usual: float
    lowest: float
    highest: float


def deviations(day: DayProfile, trailing: Sequence[DayProfile], limits: DataConfig) -> tuple[Deviation, ...]:
    """What of the day deviates; `trailing` are the earlier days that count, oldest first.

    Nothing does on a day whose change is `accepted`, or of a domain with less than `stop_share` of the candidates.
    """
    if day.day in limits.accepted:
        return ()
    days = [*trailing, day]
    *before, today = [
        {number.key: number for number in (*own.numbers, *_moves(previous, own))}
        for previous, own in zip([None, *days], days, strict=False)
    ]
    compared = {
        key: (number, earlier)
        for key, number in today.items()
        if (earlier := [numbers[key] for numbers in before if key in numbers])
    }
    found = []
    for key, (number, earlier) in compared.items():
        lowest, usual, highest = ordinary(key.measure, [one.value for one in earlier], len(compared), limits)
        # What earlier days had and this one lost has a share by theirs.
        share = max(number.share, fmean(one.share for one in earlier))
        if share >= limits.stop_share and not lowest <= number.value <= highest:
            found.append(Deviation(*key, number.value, usual, lowest, highest))
    return tuple(found)


def ordinary(
    measure: Measure, earlier: Sequence[float], compared: int, limits: DataConfig
) -> tuple[float, float, float]:
    """The lowest value that is ordinary, the usual one, and the highest, where `compared` numbers are compared."""
    usual, few = fmean(earlier), len(earlier) < limits.min_trailing_days
    tail = limits.false_alarm / (2 * compared)
    if measure in LOGARITHMS and not few and min(earlier) > 0:
        logs = [log(value) for value in earlier]
        usual = exp(fmean(logs))
        factor = max(FACTORS[measure], exp(min(_reach(logs, tail), _FARTHEST)))
        return usual / factor, usual, usual * factor
    reach = 0.0 if few else _reach(earlier, tail)
    if measure in FACTORS:
        factor = limits.few_days_factor if few else FACTORS[measure]
        highest = max(usual * factor, usual + reach) if usual else inf  # nothing is known of what never was
        return min(usual / factor, usual - reach), usual, highest
    change = inf if few else max(CHANGES[measure], reach)
    return usual - change, usual, usual + change


def _reach(earlier: Sequence[float], tail: float) -> float:
    """Half the width of the prediction interval that a new value is beyond, on one side, with the chance `tail`."""
    from scipy.special import stdtrit  # noqa: PLC0415 - a third of a second, and few runs need it

    days = len(earlier)
    return -float(stdtrit(days - 1, tail)) * stdev(earlier) * sqrt(1 + 1 / days)


def _moves(previous: DayProfile | None, day: DayProfile) -> Iterator[Number]:
    """How far the values of each category moved since the day before: the total variation distance of their cells."""
    known = {} if previous is None else {cells.key: cells.rows for cells in previous.cells}
    for cells in day.cells:
        before = known.get(cells.key, {})
        # A column with one value a day, such as a month, names the day: another value is no other code.
        if before and max(len(before), len(cells.rows)) > 1:
            yield Number(cells.key, _distance(before, cells.rows), cells.share)


def _distance(one: dict[int, int], other: dict[int, int]) -> float:
    rows, others = sum(one.values()), sum(other.values())
    cells = one.keys() | other.keys()
    return sum(abs(one.get(cell, 0) / rows - other.get(cell, 0) / others) for cell in cells) / 2
