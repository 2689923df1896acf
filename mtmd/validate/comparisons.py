"""Which numbers of a day are compared with the same numbers of earlier days, and on which scale."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import log, pi, sqrt
from statistics import fmean
from typing import NamedTuple

from mtmd.config import Declarations
from mtmd.expectations import Measure
from mtmd.validate.results import DayProfile, DomainProfile, SideProfile

_ALL = "all"  # the domain of numbers of the whole day
_Cells = Mapping[int, int]


class Key(NamedTuple):
    """Which number it is; `side` is requests, ads or candidates, `subject` a task, a feature or a count."""

    measure: Measure
    side: str
    domain: str
    subject: str


@dataclass(frozen=True)
class Comparison:
    """One number of today beside the same number of earlier days.

    Shares, rates and distances of categories are compared as they are; mean scores and numbers of rows in logarithms.
    """

    key: Key
    today: float
    earlier: Mapping[date, float]
    share: float = 1.0  # of the day's candidates, of the domain
    thinner: float = 1.0  # how many times as many requests the earlier days had, at least 1
    floor: float = 0.0  # least variance, of rates: on all earlier days they may be equal


class _Number(NamedTuple):
    """A number of one day: `rows` are the requests or ads that it is taken from, 0 where they add no noise.

    A rate also has `counts`: how many rows are counted, and how many there are.
    """

    value: float
    share: float = 1.0
    rows: int = 0
    counts: tuple[float, int] | None = None


def comparisons(
    day: DayProfile, trailing: Sequence[DayProfile], declarations: Declarations
) -> tuple[Comparison, ...]:
    """Everything of the day that can be compared with at least one earlier day; `trailing` are oldest first."""
    before = {then.day: dict(_numbers(then, declarations)) for then in trailing}
    found = []
    for key, today in _numbers(day, declarations):
        earlier = {then: known[key] for then, known in before.items() if key in known}
        if earlier and _is_comparable(key.measure, today, earlier.values()):
            found.append(_compared(key, today, earlier))
    return (*found, *_categories(day, trailing))


def _is_comparable(measure: Measure, today: _Number, earlier: Iterable[_Number]) -> bool:
    """Nothing is known of a share or an action that never was, nor of a feature that the domain always lacked."""
    values = [number.value for number in earlier]
    if measure in {Measure.MIX, Measure.LABELS}:
        return any(values)
    return measure is not Measure.NULLS or min(today.value, *values) < 1


def _compared(key: Key, today: _Number, earlier: Mapping[date, _Number]) -> Comparison:
    rows = fmean(number.rows for number in earlier.values())
    counts = [number.counts for number in (today, *earlier.values()) if number.counts is not None]
    usual_share = fmean(number.share for number in earlier.values())
    return Comparison(
        key,
        today.value,
        {then: number.value for then, number in earlier.items()},
        share=max(today.share, usual_share) if key.measure is Measure.MIX else today.share,
        thinner=max(1.0, rows / max(today.rows, 1)) if rows else 1.0,
        floor=_binomial(counts),
    )


def _binomial(counts: Sequence[tuple[float, int]]) -> float:
    """Sampling variance of the first rate: of all days' rate, with one row that counts and one that does not added."""
    if not counts:
        return 0.0
    rate = (sum(counted for counted, _ in counts) + 1) / (sum(rows for _, rows in counts) + 2)
    return rate * (1 - rate) / max(counts[0][1], 1)


def _numbers(day: DayProfile, declarations: Declarations) -> Iterator[tuple[Key, _Number]]:
    """All numbers but distances of categories, which are of two days together."""
    yield from _of_candidates(day, declarations)
    for side in day.sides:
        for feature, rate in side.null_rates.items():
            key = Key(Measure.NULLS, side.table, side.domain, feature)
            yield key, _Number(rate, _share(day, side), side.rows, (rate * side.rows, side.rows))
    requests = day.rows("requests")
    volumes = {
        ("requests", "rows"): requests,
        ("ads", "rows"): day.rows("ads"),
        ("candidates", "rows"): day.candidates,
        ("candidates", "rows of a request"): day.candidates / requests if requests else 0.0,
    }
    for (table, subject), rows in volumes.items():
        if rows:
            yield Key(Measure.VOLUME, table, _ALL, subject), _Number(log(rows))


def _of_candidates(day: DayProfile, declarations: Declarations) -> Iterator[tuple[Key, _Number]]:
    requests = day.rows("requests")
    for domain in day.domains:
        place = f"{domain.surface} × {domain.product}"
        share = _Number(domain.share, domain.share, requests)
        yield Key(Measure.MIX, "candidates", place, "share of candidates"), share
        for subject, mean in _log_means(domain, declarations):
            key = Key(Measure.SCORES, "candidates", place, subject)
            yield key, _Number(mean, domain.share, domain.requests)
    for label, seen in day.labels.items():
        if seen.shown:
            key = Key(Measure.LABELS, "candidates", _ALL, label)
            yield key, _Number(seen.actions / seen.shown, counts=(seen.actions, seen.shown))


def _log_means(domain: DomainProfile, declarations: Declarations) -> Iterator[tuple[str, float]]:
    """Logarithms of each task's mean score, and of the part that it is of its parent's mean.

    The part is the same for all mixes of users and ads, so it shows what happened to one task of a small domain.
    """
    means = {task: mean for task, mean in domain.mean_scores.items() if mean is not None and mean > 0}
    for task in declarations.domains.tasks:
        if task.name in means:
            yield task.name, log(means[task.name])
            if task.parent in means:
                yield f"{task.name} / {task.parent}", log(means[task.name] / means[task.parent])


def _categories(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    """How far a day's values are from the day before's: the total variation distance of their cells.

    From day to day, because values also drift: a mean of many days would be far from both ends of them.
    """
    before = [(then.day, dict(_cells(then))) for then in trailing]
    shares = {(side.table, side.domain): _share(day, side) for side in day.sides}
    for key, today in _cells(day):
        cells = [*((then, known[key]) for then, known in before if key in known), (day.day, today)]
        # A column with one value a day, such as a month, names the day: another value is no other code.
        if len(cells) > 2 and any(len(of_day) > 1 for _, of_day in cells):
            moved, distances = _movement(cells)
            yield Comparison(key, moved, distances, shares[key.side, key.domain])


def _cells(day: DayProfile) -> Iterator[tuple[Key, _Cells]]:
    for side in day.sides:
        for feature, cells in side.cells.items():
            yield Key(Measure.CATEGORIES, side.table, side.domain, feature), cells


def _movement(days: Sequence[tuple[date, _Cells]]) -> tuple[float, dict[date, float]]:
    """The last day's distance from the one before, without what fewer rows add by chance; and those of earlier days."""
    pairs = {then: (later, earlier) for (then, later), (_, earlier) in zip(days[1:], days, strict=False)}
    chance = {then: _chance_distance(*pair) for then, pair in pairs.items()}
    distances = {then: _distance(*pair) for then, pair in pairs.items()}
    today = days[-1][0]
    usual = fmean(value for then, value in chance.items() if then != today)
    return distances.pop(today) - max(0.0, chance[today] - usual), distances


def _distance(one: _Cells, other: _Cells) -> float:
    rows, others = sum(one.values()), sum(other.values())
    cells = one.keys() | other.keys()
    return sum(abs(one.get(cell, 0) / rows - other.get(cell, 0) / others) for cell in cells) / 2


def _chance_distance(one: _Cells, other: _Cells) -> float:
    """The distance of two samples of one distribution: half the mean absolute difference of each cell's share."""
    rows, others = sum(one.values()), sum(other.values())
    shares = [(one.get(cell, 0) + other.get(cell, 0)) / (rows + others) for cell in one.keys() | other.keys()]
    return sum(sqrt(2 / pi * p * (1 - p) * (1 / rows + 1 / others)) for p in shares) / 2


def _share(day: DayProfile, side: SideProfile) -> float:
    """Share of the day's candidates that belongs to a surface or to a product."""
    return sum(
        domain.share
        for domain in day.domains
        if side.domain == (domain.surface if side.table == "requests" else domain.product)
    )
