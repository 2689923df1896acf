"""The whole day beside earlier whole days: rows, rates of labels, numbers' sizes, and features that stand still."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log

from mtmd.expectations.steadiness import Measure
from mtmd.validate.comparisons import Comparison
from mtmd.validate.results import DayProfile, LabelProfile, NumberProfile

_ALL = "all"
_LEAST_DAYS = 3  # on which a feature varied, so that one value on a day is remarkable


def whole_day_comparisons(day: DayProfile, trailing: Sequence[DayProfile]) -> tuple[Comparison, ...]:
    """Everything of the whole day that can be compared with at least one earlier day."""
    # Profiles of an older version lack most of it.
    return (
        *_volumes(day, trailing),
        *_labels(day, trailing),
        *_magnitudes(day, trailing),
        *_constants(day, trailing),
    )


def _volumes(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    """In logarithms: a day is so many times as large as another."""
    before = {earlier.day: _rows(earlier) for earlier in trailing}
    for (side, subject), rows in _rows(day).items():
        earlier = {then: log(known[side, subject]) for then, known in before.items() if known[side, subject]}
        if rows and earlier:
            yield Comparison(Measure.VOLUME, side, _ALL, subject, log(rows), earlier, share=1.0)


def _rows(day: DayProfile) -> dict[tuple[str, str], float]:
    each = day.candidates / day.requests if day.requests else 0.0
    ads = sum(side.rows for side in day.null_rates if side.table == "ads")
    return {
        ("requests", "rows"): day.requests,
        ("ads", "rows"): ads,
        ("candidates", "rows"): day.candidates,
        ("candidates", "rows of a request"): each,
    }


def _labels(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    for label, today in day.labels.items():
        known = {then.day: then.labels[label] for then in trailing if label in then.labels}
        rates = {then: counts.rate for then, counts in known.items() if counts.shown}
        if today.shown and any(rates.values()):
            yield Comparison(
                Measure.LABELS,
                "candidates",
                _ALL,
                label,
                today.rate,
                rates,
                share=1.0,
                floor=_binomial(today, known.values()),
            )


def _binomial(today: LabelProfile, earlier: Iterable[LabelProfile]) -> float:
    """Sampling variance of today's rate: of all days' rate, with one action and one row without added."""
    counts = (today, *earlier)
    rate = (sum(each.actions for each in counts) + 1) / (sum(each.shown for each in counts) + 2)
    return rate * (1 - rate) / max(today.shown, 1)


def _magnitudes(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    before = {then.day: _numbers(then) for then in trailing}
    for key, today in _numbers(day).items():
        sizes = {then: known[key].size for then, known in before.items() if key in known}
        earlier = {then: log(size) for then, size in sizes.items() if size}
        if today.size and earlier:
            yield Comparison(Measure.MAGNITUDES, key[0], _ALL, key[1], log(today.size), earlier, share=1.0)


def _constants(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    """Features that have one value on this day, and had several on each day before: 1 beside zeros."""
    before = [(then.day, _varying(then)) for then in trailing]
    for key, varies in _varying(day).items():
        known = {then: varied[key] for then, varied in before if key in varied}
        if not varies and len(known) >= _LEAST_DAYS and all(known.values()):
            zeros = dict.fromkeys(known, 0.0)
            yield Comparison(Measure.CONSTANT, key[0], _ALL, key[1], 1.0, zeros, share=1.0)


def _varying(day: DayProfile) -> dict[tuple[str, str], bool]:
    """Whether a feature has more than one value, nulls aside; of lists nothing is known."""
    cells: dict[tuple[str, str], set[int]] = {}
    for category in day.categories:
        cells.setdefault((category.table, category.feature), set()).update(category.cells)
    varying = {key: len(found) > 1 for key, found in cells.items()}
    return varying | {key: number.lowest < number.highest for key, number in _numbers(day).items()}


def _numbers(day: DayProfile) -> Mapping[tuple[str, str], NumberProfile]:
    return {(number.table, number.feature): number for number in day.numbers}
