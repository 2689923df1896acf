"""Intervals pinned by hand, and what stops the run."""

from datetime import date, timedelta
from math import exp, inf, log, sqrt
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy.stats import t as student

from mtmd.config import DataConfig, Preset
from mtmd.expectations import Measure
from mtmd.validate.comparisons import Comparison, Key
from mtmd.validate.deviations import deviations, interval
from mtmd.validate.results import DayProfile, DomainProfile, LabelProfile, SideProfile

DAY = date(2026, 2, 1)
LIMITS = DataConfig()


def _before(values: list[float]) -> dict[date, float]:
    """Values of the days before DAY, the newest last."""
    return {DAY - timedelta(days=len(values) - i): value for i, value in enumerate(values)}


def _comparison(values: list[float], measure: Measure = Measure.MIX, **more: float) -> Comparison:
    return Comparison(Key(measure, "candidates", "a × b", "what"), 0.0, _before(values), **more)


def test_the_interval_of_a_level_is_a_prediction_interval_for_one_new_day() -> None:
    values = [0.1, 0.2, 0.3, 0.2, 0.2]  # mean 0.2, variance 0.02 / 4
    reach = student.isf(0.01 / (4 * 10), 4) * sqrt(0.005 * 1.2)
    found = interval(_comparison(values), DAY, 10, LIMITS)
    assert (found.lowest, found.usual, found.highest) == pytest.approx((0.2 - reach, 0.2, 0.2 + reach))
    assert student.isf(0.01 / 40, 4) == pytest.approx(10.306, abs=1e-3)


def test_a_day_with_half_the_requests_has_a_wider_interval_and_so_have_more_comparisons() -> None:
    values = [0.1, 0.2, 0.3, 0.2, 0.2]
    usual = interval(_comparison(values), DAY, 10, LIMITS)
    thin = interval(_comparison(values, thinner=2.0), DAY, 10, LIMITS)
    assert thin.highest - 0.2 == pytest.approx(sqrt(2) * (usual.highest - 0.2))
    assert interval(_comparison(values), DAY, 100, LIMITS).highest > usual.highest


def test_a_rate_that_never_moved_has_the_width_of_its_sampling_error() -> None:
    found = interval(_comparison([0.0] * 5, Measure.NULLS, floor=0.0004), DAY, 10, LIMITS)
    assert found.highest == pytest.approx(student.isf(0.01 / 40, 4) * 0.02)


def test_values_that_follow_the_week_and_drift_are_forecast_from_last_weeks_change() -> None:
    """They rise by 0.01 a day, with 1 more on Sundays, of which DAY is one; noise of ±0.001 on every third day."""
    days = [DAY - timedelta(days=age) for age in range(28, 0, -1)]
    values = [0.01 * i + (day.weekday() == 6) + 0.001 * (i % 3 == 0) for i, day in enumerate(days)]
    found = interval(_comparison(values), DAY, 10, LIMITS)
    assert found.usual == pytest.approx(0.28 + 1, abs=0.003)
    assert found.highest - found.usual < 0.01
    # Yesterday is missing: only the level is left, whose days differ by more than half.
    without = {day: value for day, value in _before(values).items() if day != DAY - timedelta(days=1)}
    level = interval(Comparison(Key(Measure.MIX, "", "", ""), 0.0, without), DAY, 10, LIMITS)
    assert level.highest - level.usual > 1


def test_days_that_scatter_at_random_are_compared_with_their_mean() -> None:
    values = [0.2 + 0.01 * ((i * 7) % 5 - 2) for i in range(28)]
    assert interval(_comparison(values), DAY, 10, LIMITS).usual == pytest.approx(sum(values) / 28)


@pytest.mark.parametrize(
    ("measure", "value", "lowest", "highest"),
    [
        (Measure.MIX, 0.1, 0.02, 0.5),
        (Measure.SCORES, log(0.1), log(0.02), log(0.5)),
        (Measure.NULLS, 0.1, -inf, 1 - 0.9 / 5),
        (Measure.CATEGORIES, 0.1, -inf, inf),
    ],
)
def test_with_few_earlier_days_a_wide_factor_decides(
    measure: Measure, value: float, lowest: float, highest: float
) -> None:
    found = interval(_comparison([value] * 4, measure), DAY, 10, LIMITS)
    assert (found.lowest, found.highest) == pytest.approx((lowest, highest))


def _day(
    day: date,
    ctr: float,
    share: float = 0.5,
    rate: float = 0.1,
    cells: dict[str, dict[int, int]] | None = None,
) -> DayProfile:
    domains = [
        DomainProfile(
            surface="home_feed", product=product, candidates=int(1000 * own), requests=500, share=own,
            mean_scores={"ctr": mean, "gctr": 0.5 * mean, "octr": None},
        )
        for product, own, mean in (("standard", share, ctr), ("shopping", 1 - share, 0.1))
    ]  # fmt: skip
    side = SideProfile(
        table="requests", domain="home_feed", rows=500, null_rates={"country": rate}, cells=cells or {}
    )
    return DayProfile(day=day, domains=tuple(domains), sides=(side,), digests={})


def _earlier(share: float = 0.5) -> list[DayProfile]:
    """Two weeks whose mean scores, shares and rates scatter by 1 %."""
    scatter = [1 + 0.01 * ((i * 7) % 5 - 2) for i in range(14)]
    return [
        _day(DAY - timedelta(days=14 - i), 0.1 * own, share * own, 0.1 * own) for i, own in enumerate(scatter)
    ]


def test_a_teacher_scaled_in_a_domain_stops_the_run_with_numbers_that_say_so(tiny_preset: Preset) -> None:
    found = deviations(_day(DAY, 0.13), _earlier(), tiny_preset.declarations, LIMITS)
    assert [(one.domain, one.subject, one.stops) for one in found] == [
        ("home_feed × standard", "ctr", True),
        ("home_feed × standard", "gctr", True),
    ]
    means = [log(one.domains[0].mean_scores["ctr"]) for one in _earlier()]
    # 9 numbers are compared: 2 shares, 2 means and a part of each of 2 domains, a null rate.
    reach = student.isf(0.01 / (4 * 9), 13) * stdev(means) * sqrt(15 / 14)
    assert (found[0].observed, found[0].usual) == pytest.approx((0.13, exp(fmean(means))))
    assert (found[0].lowest, found[0].highest) == pytest.approx(
        (exp(fmean(means) - reach), exp(fmean(means) + reach))
    )


@pytest.mark.parametrize(
    ("day", "limits", "earlier"),
    [
        (_day(DAY, 0.118), LIMITS, _earlier()),  # surely more than usual, and less than by stop_score_factor
        (_day(DAY, 0.13, 0.019), LIMITS, _earlier(0.019)),  # 1.9 % of the candidates
        (_day(DAY, 0.13), LIMITS.model_copy(update={"accepted": {DAY: "a new teacher"}}), _earlier()),
    ],
    ids=["small", "of a small domain", "accepted"],
)
def test_what_cannot_spoil_the_model_is_only_shown(
    tiny_preset: Preset, day: DayProfile, limits: DataConfig, earlier: list[DayProfile]
) -> None:
    found = deviations(day, earlier, tiny_preset.declarations, limits)
    assert [(one.subject, one.stops) for one in found] == [("ctr", False), ("gctr", False)]


@pytest.mark.parametrize("accepted_on", [1, 2, None], ids=["day before", "two days before", "not accepted"])
def test_a_change_that_was_accepted_stops_no_later_day(tiny_preset: Preset, accepted_on: int | None) -> None:
    """A new teacher beside four weeks of the old one: one accepted day is enough, and one that is not is no excuse."""
    since = accepted_on or 1
    scatter = [1 + 0.01 * ((i * 7) % 5 - 2) for i in range(28)]
    earlier = [
        _day(DAY - timedelta(days=28 - i), (0.13 if 28 - i <= since else 0.1) * own)
        for i, own in enumerate(scatter)
    ]
    accepted = {} if accepted_on is None else {DAY - timedelta(days=accepted_on): "a new teacher"}
    limits = LIMITS.model_copy(update={"accepted": accepted})
    found = deviations(_day(DAY, 0.13), earlier, tiny_preset.declarations, limits)
    assert [one.subject for one in found if one.stops] == (["ctr", "gctr"] if accepted_on is None else [])
    # A second change is another one, whatever was accepted.
    further = deviations(_day(DAY, 0.18), earlier, tiny_preset.declarations, limits)
    assert accepted_on == 2 or [one.subject for one in further if one.stops] == ["ctr", "gctr"]


def test_a_day_that_was_accepted_for_something_else_excuses_nothing(tiny_preset: Preset) -> None:
    """Its scores were ordinary: today's are a change of their own, though each step is a small one."""
    scatter = [1 + 0.01 * ((i * 7) % 5 - 2) for i in range(28)]
    earlier = [_day(DAY - timedelta(days=28 - i), 0.1 * own) for i, own in enumerate(scatter)]
    before = DAY - timedelta(days=1)
    earlier[-1] = _day(before, 0.105)
    for accepted in ({}, {before: "a new layout"}):
        limits = LIMITS.model_copy(update={"accepted": accepted})
        found = deviations(_day(DAY, 0.126), earlier, tiny_preset.declarations, limits)
        assert [one.subject for one in found if one.stops] == ["ctr", "gctr"]


def test_a_second_recoding_is_not_what_was_accepted_of_the_first(tiny_preset: Preset) -> None:
    def recoded(day: date, cell: int) -> DayProfile:
        return _day(day, 0.1, cells={"country": {cell: 450, 9: 50}})

    eve = DAY - timedelta(days=1)
    earlier = [*(recoded(DAY - timedelta(days=age), 1) for age in range(28, 1, -1)), recoded(eve, 2)]
    limits = LIMITS.model_copy(update={"accepted": {eve: "countries are upper case"}})
    assert deviations(recoded(DAY, 2), earlier, tiny_preset.declarations, limits) == ()
    again = deviations(recoded(DAY, 3), earlier, tiny_preset.declarations, limits)
    assert [one.subject for one in again if one.stops] == ["country"]


def test_a_share_and_a_null_rate_stop_the_run(tiny_preset: Preset) -> None:
    found = deviations(_day(DAY, 0.1, 0.2, 0.4), _earlier(), tiny_preset.declarations, LIMITS)
    assert [(one.measure, one.subject, one.stops) for one in found] == [
        ("domain_mix", "share of candidates", True),
        ("domain_mix", "share of candidates", True),
        ("null_rates", "country", True),
    ]


def _whole(
    age: int,
    *,
    requests: int = 1000,
    each: float = 16.0,
    clicks: int = 400,
) -> DayProfile:
    domain = DomainProfile(
        surface="home_feed", product="standard", candidates=int(requests * each), requests=requests, share=1.0,
        mean_scores={},
    )  # fmt: skip
    sides = (("requests", "home_feed", requests), ("ads", "standard", 500))
    return DayProfile(
        day=DAY - timedelta(days=age),
        domains=(domain,),
        sides=tuple(SideProfile(table=t, domain=d, rows=rows, null_rates={}) for t, d, rows in sides),
        labels={"clicked": LabelProfile(shown=5000, actions=clicks)},
        digests={},
    )


WHOLE_DAYS = [
    _whole(14 - i, requests=1000 + (i * 7) % 5 * 10, clicks=400 + (i * 5) % 7 * 5) for i in range(14)
]


def _found(preset: Preset, earlier: list[DayProfile], **changes: Any) -> dict[tuple[str, str, str], bool]:
    found = deviations(_whole(0, **changes), earlier, preset.declarations, LIMITS)
    return {(one.measure, one.side, one.subject): one.stops for one in found}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"requests": 1150}, {}),
        (
            {"requests": 10_000, "clicks": 410},
            {("volume", "requests", "rows"): True, ("volume", "candidates", "rows"): True},
        ),
        (
            {"each": 8.0},
            {("volume", "candidates", "rows"): False, ("volume", "candidates", "rows of a request"): False},
        ),
        ({"clicks": 0}, {("label_rates", "candidates", "clicked"): True}),
        ({"clicks": 600}, {("label_rates", "candidates", "clicked"): False}),
    ],
)
def test_a_day_that_is_not_as_usual_is_found(
    tiny_preset: Preset, changes: dict[str, Any], found: dict[tuple[str, str, str], bool]
) -> None:
    assert _found(tiny_preset, WHOLE_DAYS, **changes) == found
