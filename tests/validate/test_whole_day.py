"""Whole days beside earlier ones: what was delivered twice, in part, in another unit, or filled with a default."""

from datetime import date, timedelta
from typing import Any

import pytest

from mtmd.config import DataConfig, Preset
from mtmd.validate.deviations import deviations
from mtmd.validate.results import (
    CategoryProfile,
    DayProfile,
    DomainProfile,
    LabelProfile,
    NullProfile,
    NumberProfile,
)

DAY = date(2026, 3, 15)


def _day(
    age: int,
    *,
    requests: int = 1000,
    each: float = 16.0,
    clicks: int = 400,
    price: tuple[float, float] = (0.5, 90.0),
    cells: dict[int, int] | None = None,
) -> DayProfile:
    domain = DomainProfile(
        surface="home_feed", product="standard", candidates=int(requests * each), requests=requests, share=1.0,
        mean_scores={},
    )  # fmt: skip
    sides = (("requests", "home_feed", requests), ("ads", "standard", 500))
    topics = cells or {1: 10, 2: 20}
    return DayProfile(
        day=DAY - timedelta(days=age),
        domains=(domain,),
        null_rates=tuple(NullProfile(table=t, domain=d, rows=rows, rates={}) for t, d, rows in sides),
        categories=(CategoryProfile(table="ads", domain="standard", feature="topic", cells=topics),),
        digests={},
        labels={"clicked": LabelProfile(shown=5000, actions=clicks)},
        numbers=(NumberProfile(table="ads", feature="price", lowest=price[0], highest=price[1]),),
    )


EARLIER = [
    _day(14 - i, requests=1000 + (i * 7) % 5 * 10, clicks=400 + (i * 5) % 7 * 5, price=(0.5, 90.0 + i))
    for i in range(14)
]


def _found(preset: Preset, earlier: list[DayProfile], **changes: Any) -> dict[tuple[str, str, str], bool]:
    found = deviations(_day(0, **changes), earlier, preset.declarations, DataConfig())
    return {(one.key.measure, one.key.side, one.key.subject): one.stops for one in found}


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
        ({"price": (50.0, 9000.0)}, {("magnitudes", "ads", "price"): False}),
        ({"price": (20.0, 20.0)}, {("constancy", "ads", "price"): False}),
        ({"price": (-90.0, 3.0)}, {}),
    ],
)
def test_a_day_that_is_not_as_usual_is_found(
    tiny_preset: Preset, changes: dict[str, Any], found: dict[tuple[str, str, str], bool]
) -> None:
    assert _found(tiny_preset, EARLIER, **changes) == found


def test_a_category_with_one_value_is_found_unless_it_names_the_day(tiny_preset: Preset) -> None:
    one = {("constancy", "ads", "topic"): False}
    assert one.items() <= _found(tiny_preset, EARLIER, cells={1: 30}).items()
    named = [_day(14 - i, cells={i: 30}) for i in range(14)]
    assert ("constancy", "ads", "topic") not in _found(tiny_preset, named, cells={1: 30})
    assert ("constancy", "ads", "topic") not in _found(tiny_preset, EARLIER[-2:], cells={1: 30})


def test_with_few_earlier_days_a_factor_of_five_is_needed(tiny_preset: Preset) -> None:
    few = EARLIER[-2:]
    assert _found(tiny_preset, few, each=8.0, clicks=200) == {}
    assert ("volume", "requests", "rows") in _found(tiny_preset, few, requests=10_000)
    assert _found(tiny_preset, few, clicks=0) == {("label_rates", "candidates", "clicked"): True}
