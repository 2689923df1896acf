"""What of a day is not as on earlier days: limits and intervals pinned by hand, and what is not judged."""

from datetime import date, timedelta
from math import exp, inf, log, sqrt

import pytest
from scipy.stats import t as student

from mtmd.config import DataConfig
from mtmd.expectations import Measure
from mtmd.validate.deviations import LOGARITHMS, deviations, ordinary
from mtmd.validate.results import Cells, DayProfile, Key, Number
from mtmd.validate.runner import earlier_days

DAY = date(2026, 2, 1)
LIMITS = DataConfig()
STEADY = [0.2] * 5


@pytest.mark.parametrize(
    ("measure", "lowest", "highest"),
    [
        (Measure.MIX, 0.2 / 1.5, 0.3),
        (Measure.SCORES, 0.2 / 1.2, 0.24),
        (Measure.VOLUME, 0.2 / 3, 0.6),
        (Measure.ROWS, 0.2 / 1.6, 0.32),
        (Measure.LABELS, 0.2 / 3, 0.6),
        (Measure.NULLS, 0.0, 0.4),
        (Measure.CATEGORIES, 0.0, 0.4),
    ],
)
def test_of_days_that_are_alike_the_limit_of_the_measure_decides(
    measure: Measure, lowest: float, highest: float
) -> None:
    assert ordinary(measure, STEADY, 10, LIMITS) == pytest.approx((lowest, 0.2, highest))


@pytest.mark.parametrize("measure", [one for one in Measure if one not in LOGARITHMS])
def test_of_days_that_scatter_the_prediction_interval_for_one_new_day_decides(measure: Measure) -> None:
    values = [0.1, 0.2, 0.3, 0.2, 0.2]  # mean 0.2, variance 0.02 / 4
    reach = student.isf(0.01 / (2 * 10), 4) * sqrt(0.005 * 1.2)
    assert student.isf(0.01 / 20, 4) == pytest.approx(8.610, abs=1e-3)
    assert ordinary(measure, values, 10, LIMITS) == pytest.approx((0.2 - reach, 0.2, 0.2 + reach))
    assert ordinary(measure, values, 100, LIMITS)[2] > 0.2 + reach


@pytest.mark.parametrize("measure", sorted(LOGARITHMS))
def test_rows_and_scores_scatter_by_factors(measure: Measure) -> None:
    values = [100.0, 200.0, 400.0, 200.0, 200.0]  # of the logarithms, the variance is log(2)² / 2
    factor = exp(student.isf(0.01 / 20, 4) * log(2) / sqrt(2) * sqrt(1.2))
    assert ordinary(measure, values, 10, LIMITS) == pytest.approx((200 / factor, 200, 200 * factor))


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (Measure.SCORES, (0.04, 0.2, 1.0)),
        (Measure.NULLS, (-inf, 0.2, inf)),
        (Measure.CATEGORIES, (-inf, 0.2, inf)),
    ],
)
def test_with_few_earlier_days_only_a_wide_factor_decides(
    measure: Measure, expected: tuple[float, float, float]
) -> None:
    assert ordinary(measure, [0.1, 0.2, 0.3, 0.2], 10, LIMITS) == pytest.approx(expected)


def test_of_what_never_was_nothing_is_known() -> None:
    assert ordinary(Measure.LABELS, [0.0] * 5, 10, LIMITS) == (0.0, 0.0, inf)


def _day(age: int, value: float, share: float = 0.5, measure: Measure = Measure.SCORES) -> DayProfile:
    number = Number(Key(measure, "candidates", "search × standard", "ctr"), value, share)
    return DayProfile(day=DAY - timedelta(days=age), candidates={}, numbers=(number,))


EARLIER = [_day(age, 0.1) for age in range(14, 0, -1)]


def test_a_deviation_says_what_was_observed_and_what_is_ordinary() -> None:
    (found,) = deviations(_day(0, 0.13), EARLIER, LIMITS)
    assert found[:4] == ("mean_scores", "candidates", "search × standard", "ctr")
    assert found[4:] == pytest.approx((0.13, 0.1, 0.1 / 1.2, 0.12))


@pytest.mark.parametrize(
    ("day", "earlier", "limits"),
    [
        (_day(0, 0.118), EARLIER, LIMITS),
        (_day(0, 0.13, 0.019), [_day(age, 0.1, 0.019) for age in range(14, 0, -1)], LIMITS),
        (_day(0, 0.13), EARLIER, LIMITS.model_copy(update={"accepted": {DAY: "a new teacher"}})),
        (_day(0, 0.13), [], LIMITS),
        (_day(0, 0.13), [_day(1, 0.1, measure=Measure.NULLS)], LIMITS),
    ],
    ids=["small", "of a small domain", "accepted", "no earlier day", "of another number"],
)
def test_what_cannot_spoil_the_model_is_no_deviation(
    day: DayProfile, earlier: list[DayProfile], limits: DataConfig
) -> None:
    assert deviations(day, earlier, limits) == ()


def test_a_domain_that_vanished_has_the_share_that_it_had() -> None:
    earlier = [_day(age, 0.3, 0.3, Measure.MIX) for age in range(14, 0, -1)]
    (found,) = deviations(_day(0, 0.0, 0.0, Measure.MIX), earlier, LIMITS)
    assert (found.observed, found.usual) == pytest.approx((0.0, 0.3))


def test_days_before_an_accepted_change_are_not_compared_with() -> None:
    accepted = LIMITS.model_copy(update={"accepted": {DAY - timedelta(days=2): "a new teacher"}})
    since = [_day(age, 0.13) for age in (2, 1)]
    earlier = EARLIER[:-2] + since
    full = [profile.model_copy(update={"candidates": {"search × standard": 1}}) for profile in earlier]
    assert earlier_days(DAY, full, accepted) == full[-2:]
    assert earlier_days(DAY - timedelta(days=2), full, accepted) == full[:-2]


def _categories(*cells: dict[int, int]) -> list[float]:
    """What is observed of the last day, which is compared with the days before it."""
    key = Key(Measure.CATEGORIES, "requests", "search", "country")
    days = [
        DayProfile(day=DAY + timedelta(days=n), candidates={}, cells=(Cells(key, rows, 0.5),))
        for n, rows in enumerate(cells)
    ]
    return [one.observed for one in deviations(days[-1], days[:-1], LIMITS)]


def test_categories_are_compared_by_how_far_they_moved_since_the_day_before() -> None:
    steady = [{1: 10, 2: 10}] * 6
    assert _categories(*steady, {1: 6, 2: 14}) == pytest.approx([])
    assert _categories(*steady, {3: 10, 2: 10}) == pytest.approx([0.5])
    drifting = [{n: 10, n + 1: 10} for n in range(6)]
    assert _categories(*drifting, {6: 10, 7: 10}) == []


def test_a_column_with_one_value_a_day_names_the_day_and_is_not_compared() -> None:
    assert _categories(*[{1: 20}] * 6, {3: 20}) == []
    assert _categories(*[{1: 19, 2: 1}] * 6, {3: 20}) == pytest.approx([1.0])
