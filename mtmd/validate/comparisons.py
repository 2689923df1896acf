"""Which numbers of a day are compared with the same numbers of earlier days, and on which scale."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import log, pi, sqrt
from statistics import fmean

from mtmd.config import Declarations
from mtmd.expectations.steadiness import Measure
from mtmd.validate.results import CategoryProfile, DayProfile, DomainProfile, NullProfile

_Key = tuple[str, ...]
_Cells = Mapping[int, int]


@dataclass(frozen=True)
class Comparison:
    """One number of today beside the same number of earlier days.

    Shares, null rates and distances of categories are compared as they are, mean scores in logarithms.
    """

    measure: Measure
    side: str  # requests, ads or candidates
    domain: str
    subject: str  # the task or the feature
    today: float
    earlier: Mapping[date, float]
    share: float  # of the day's candidates, of the domain
    thinner: float = 1.0  # how many times as many requests the earlier days had, at least 1
    floor: float = 0.0  # least variance, of rates: on all earlier days they may be equal


def comparisons(
    day: DayProfile, trailing: Sequence[DayProfile], declarations: Declarations
) -> tuple[Comparison, ...]:
    """Everything of the day that can be compared with at least one earlier day."""
    return (
        *_mix(day, trailing),
        *_scores(day, trailing, declarations),
        *_nulls(day, trailing),
        *_categories(day, trailing),
    )


def _mix(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    before = {earlier.day: _by_domain(earlier) for earlier in trailing}
    for key, today in _by_domain(day).items():
        shares = {then: own[key].share for then, own in before.items() if key in own}
        if any(shares.values()):
            yield Comparison(
                Measure.MIX,
                "candidates",
                _words(today),
                "share of candidates",
                today.share,
                shares,
                share=max(today.share, fmean(shares.values())),
                thinner=_thinner(day.requests, [earlier.requests for earlier in trailing]),
            )


def _scores(
    day: DayProfile, trailing: Sequence[DayProfile], declarations: Declarations
) -> Iterator[Comparison]:
    """Means, and what part of its parent's mean a task's mean is.

    The part is the same for all mixes of users and ads, so it shows what happened to one task of a small domain.
    """
    tasks = declarations.domains.tasks
    subjects = [
        *((task.name, task.name, None) for task in tasks),
        *((f"{task.name} / {task.parent}", task.name, task.parent) for task in tasks if task.parent),
    ]
    before = {earlier.day: _by_domain(earlier) for earlier in trailing}
    for key, today in _by_domain(day).items():
        known = {then: own[key] for then, own in before.items() if key in own}
        for subject, task, parent in subjects:
            mean = _log_mean(today, task, parent)
            means = {then: _log_mean(domain, task, parent) for then, domain in known.items()}
            earlier = {then: value for then, value in means.items() if value is not None}
            if mean is not None and earlier:
                yield Comparison(
                    Measure.SCORES,
                    "candidates",
                    _words(today),
                    subject,
                    mean,
                    earlier,
                    share=today.share,
                    thinner=_thinner(today.requests, [known[then].requests for then in earlier]),
                )


def _log_mean(domain: DomainProfile, task: str, parent: str | None) -> float | None:
    """Logarithm of a task's mean score, or of its part of the parent's; None where there is none."""
    mean = domain.mean_scores.get(task)
    base = 1.0 if parent is None else domain.mean_scores.get(parent)
    if mean is None or base is None or mean <= 0 or base <= 0:  # 0 or less fails an expectation of its own
        return None
    return log(mean / base)


def _nulls(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    before = {
        earlier.day: {(side.table, side.domain): side for side in earlier.null_rates} for earlier in trailing
    }
    for today in day.null_rates:
        key = (today.table, today.domain)
        own = {then: sides[key] for then, sides in before.items() if key in sides}
        for feature, rate in today.rates.items():
            rates = {then: side.rates[feature] for then, side in own.items() if feature in side.rates}
            if rates and min(rate, *rates.values()) < 1:  # else the domain lacks the feature
                rows = [own[then].rows for then in rates]
                yield Comparison(
                    Measure.NULLS,
                    today.table,
                    today.domain,
                    feature,
                    rate,
                    rates,
                    share=_share(day, today),
                    thinner=_thinner(today.rows, rows),
                    floor=_binomial(today, feature, rates.values(), rows),
                )


def _binomial(today: NullProfile, feature: str, rates: Iterable[float], rows: Sequence[int]) -> float:
    """Sampling variance of today's null rate: of all rows' rate, with one null and one value added."""
    nulls = today.rates[feature] * today.rows + sum(rate * n for rate, n in zip(rates, rows, strict=True))
    rate = (nulls + 1) / (today.rows + sum(rows) + 2)
    return rate * (1 - rate) / max(today.rows, 1)


def _categories(day: DayProfile, trailing: Sequence[DayProfile]) -> Iterator[Comparison]:
    """How far a day's values are from the day before's: the total variation distance of their cells.

    From day to day, because values also drift: a mean of many days would be far from both ends of them.
    """
    before = [(earlier.day, {_key(one): one for one in earlier.categories}) for earlier in trailing]
    for today in day.categories:
        key = _key(today)
        line = [*((then, own[key].cells) for then, own in before if key in own), (day.day, today.cells)]
        # A column with one value a day, such as a month, names the day: another value is no other code.
        if len(line) < 3 or all(len(cells) == 1 for _, cells in line):
            continue
        pairs = {
            then: (cells, previous) for (then, cells), (_, previous) in zip(line[1:], line, strict=False)
        }
        chance = {then: _chance_distance(*pair) for then, pair in pairs.items()}
        distances = {then: _distance(*pair) for then, pair in pairs.items()}
        usual = fmean(value for then, value in chance.items() if then != day.day)
        # What fewer rows add by chance is no change.
        now = distances.pop(day.day) - max(0.0, chance[day.day] - usual)
        yield Comparison(
            Measure.CATEGORIES, today.table, today.domain, today.feature, now, distances, _share(day, today)
        )


def _distance(one: _Cells, other: _Cells) -> float:
    rows, others = sum(one.values()), sum(other.values())
    cells = one.keys() | other.keys()
    return sum(abs(one.get(cell, 0) / rows - other.get(cell, 0) / others) for cell in cells) / 2


def _chance_distance(one: _Cells, other: _Cells) -> float:
    """The distance of two samples of one distribution: half the mean absolute difference of each cell's share."""
    rows, others = sum(one.values()), sum(other.values())
    shares = [(one.get(cell, 0) + other.get(cell, 0)) / (rows + others) for cell in one.keys() | other.keys()]
    return sum(sqrt(2 / pi * p * (1 - p) * (1 / rows + 1 / others)) for p in shares) / 2


def _thinner(rows: int, earlier: Sequence[int]) -> float:
    return max(1.0, fmean(earlier) / max(rows, 1))


def _by_domain(day: DayProfile) -> dict[_Key, DomainProfile]:
    return {(domain.surface, domain.product): domain for domain in day.domains}


def _words(domain: DomainProfile) -> str:
    return f"{domain.surface} × {domain.product}"


def _key(category: CategoryProfile) -> _Key:
    return category.table, category.domain, category.feature


def _share(day: DayProfile, side: NullProfile | CategoryProfile) -> float:
    """Share of the day's candidates that belongs to a surface or to a product."""
    return sum(
        own.share
        for own in day.domains
        if side.domain == (own.surface if side.table == "requests" else own.product)
    )
