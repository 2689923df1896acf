"""What is compared, on which scale, and what is left out."""

from datetime import date, timedelta
from math import log, pi, sqrt

import pytest

from mtmd.config import Preset
from mtmd.expectations import Measure
from mtmd.validate.comparisons import Comparison, comparisons
from mtmd.validate.results import DayProfile, DomainProfile, SideProfile

DAY = date(2026, 2, 1)


def _day(age: int, **more: object) -> DayProfile:
    """A day with one domain and one surface; `more` is laid over its profile's parts."""
    domain = {
        "surface": "search", "product": "standard", "candidates": 100, "requests": 20, "share": 1.0,
        "mean_scores": {"ctr": 0.2, "gctr": 0.1, "octr": 0.0},
    }  # fmt: skip
    side = {
        "table": "requests", "domain": "search", "rows": 20, "null_rates": {"country": 0.1, "subject_topic": 1.0},
        "cells": {"country": {1: 10, 2: 10}},
    }  # fmt: skip
    domain |= {key: value for key, value in more.items() if key in domain}
    side |= {key: value for key, value in more.items() if key in side}
    return DayProfile(
        day=DAY - timedelta(days=age),
        domains=(DomainProfile.model_validate(domain),),
        sides=(SideProfile.model_validate(side),),
        digests={},
    )


def _compared(preset: Preset, *days: DayProfile) -> dict[str, Comparison]:
    """By subject, without numbers of rows; the first of `days` is today."""
    found = comparisons(days[0], days[1:], preset.declarations)
    return {one.key.subject: one for one in found if one.key.measure is not Measure.VOLUME}


def test_means_are_compared_in_logarithms_with_each_tasks_part_of_its_parent(tiny_preset: Preset) -> None:
    today = _day(0, mean_scores={"ctr": 0.3, "gctr": 0.1, "octr": None})
    found = _compared(tiny_preset, today, _day(1))
    assert found.keys() == {"share of candidates", "ctr", "gctr", "gctr / ctr", "country"}
    assert found["ctr"].today == pytest.approx(log(0.3))
    assert found["ctr"].earlier == {DAY - timedelta(days=1): pytest.approx(log(0.2))}
    assert found["gctr / ctr"].today == pytest.approx(log(1 / 3))


def test_a_score_of_zero_is_no_mean_and_a_domain_without_rows_has_none(tiny_preset: Preset) -> None:
    gone = _day(1, candidates=0, share=0.0, mean_scores=dict.fromkeys(("ctr", "gctr", "octr")))
    found = _compared(tiny_preset, _day(0), gone)
    assert found.keys() == {"country"}
    assert not {"octr", "octr / ctr"} & _compared(tiny_preset, _day(0), _day(1)).keys()


def test_a_domain_with_half_the_requests_is_thinner(tiny_preset: Preset) -> None:
    found = _compared(tiny_preset, _day(0, requests=10), _day(1), _day(2, requests=40))
    assert found["ctr"].thinner == 3.0
    assert _compared(tiny_preset, _day(0), _day(1, requests=10))["ctr"].thinner == 1.0


def test_null_rates_know_their_sampling_error_and_leave_out_what_a_domain_lacks(tiny_preset: Preset) -> None:
    nulls = _compared(tiny_preset, _day(0), _day(1, null_rates={"country": 0.3, "subject_topic": 1.0}))[
        "country"
    ]
    rate = (2 + 6 + 1) / 42
    assert (nulls.key.measure, nulls.today, nulls.share) == (Measure.NULLS, 0.1, 1.0)
    assert nulls.floor == pytest.approx(rate * (1 - rate) / 20)
    filled = _compared(tiny_preset, _day(0, null_rates={"subject_topic": 0.5}), _day(1))
    assert filled["subject_topic"].earlier == {DAY - timedelta(days=1): 1.0}


def test_a_feature_that_earlier_days_lacked_is_not_compared(tiny_preset: Preset) -> None:
    assert "device" not in _compared(tiny_preset, _day(0, null_rates={"device": 0.5}), _day(1))


def _categories(preset: Preset, *cells: dict[int, int]) -> list[Comparison]:
    """Today's cells first."""
    days = [_day(age, cells={"country": own}) for age, own in enumerate(cells)]
    found = comparisons(days[0], days[:0:-1], preset.declarations)
    return [one for one in found if one.key.measure is Measure.CATEGORIES]


def test_categories_are_compared_by_how_far_they_moved_since_the_day_before(tiny_preset: Preset) -> None:
    renamed, moved, before = {3: 10, 2: 10}, {1: 10, 2: 10}, {1: 5, 2: 15}
    (found,) = _categories(tiny_preset, renamed, moved, before)
    # By chance alone, cells with shares of 1/4, 1/2 and 1/4 move more than cells with 3/8 and 5/8.
    chance = [
        sum(sqrt(2 / pi * p * (1 - p) / 10) for p in own) / 2 for own in ((0.25, 0.5, 0.25), (0.375, 0.625))
    ]
    assert found.today == pytest.approx(0.5 - (chance[0] - chance[1]))
    assert found.earlier == {DAY - timedelta(days=1): 0.25}


def test_a_column_with_one_value_a_day_names_the_day_and_is_not_compared(tiny_preset: Preset) -> None:
    assert _categories(tiny_preset, {3: 20}, {1: 20}, {1: 20}) == []
    assert len(_categories(tiny_preset, {3: 20}, {1: 20}, {1: 19, 2: 1})) == 1


def test_one_earlier_day_does_not_say_how_far_categories_move(tiny_preset: Preset) -> None:
    assert _categories(tiny_preset, {1: 10, 2: 10}, {1: 20}) == []
