from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mtmd.world import WorldConfig
from mtmd.world.day import Chunk, chunks, counters
from mtmd.world.population import SHOPPING, STANDARD, Ads, Floats, ads_alive, population
from mtmd.world.truth import HOME, RELATED, SEARCH, Truth, truth
from tests.world.days import Pairs

DEMO = WorldConfig.demo()
DAY = 365  # 2026-01-01, a Thursday
ADS = ads_alive(DEMO, DAY)
CHUNK: Chunk = next(iter(chunks(DEMO, DAY)))
SURFACE, PRODUCT = CHUNK.requests.surface[CHUNK.row], ADS.product[CHUNK.ad]


def truth_of(ads: Ads = ADS, day: int = DAY, config: WorldConfig = DEMO) -> Truth:
    shown = counters(DEMO, DAY, ADS).impressions
    return truth(config, day, CHUNK.requests, ads, CHUNK.row, CHUNK.ad, shown)


def click_change(**changed: Floats) -> Floats:
    return truth_of(replace(ADS, **changed)).click - truth_of().click


@pytest.mark.parametrize(("surface", "effect"), [(HOME, 0.10), (SEARCH, 0.24), (RELATED, -0.09)])
def test_a_discount_helps_on_search_and_harms_on_related_pins(surface: int, effect: float) -> None:
    change = click_change(discount=ADS.discount + 0.1)
    np.testing.assert_allclose(change[(surface == SURFACE) & (PRODUCT == SHOPPING)], effect, atol=1e-9)
    np.testing.assert_allclose(change[PRODUCT == STANDARD], 0.0, atol=1e-12)


@pytest.mark.parametrize(("surface", "effect"), [(HOME, 0.05), (SEARCH, -0.03), (RELATED, 0.025)])
def test_the_landing_page_flips_its_effect_by_surface(surface: int, effect: float) -> None:
    change = click_change(landing=ADS.landing + 0.1)
    np.testing.assert_allclose(change[(surface == SURFACE) & (PRODUCT == STANDARD)], effect, atol=1e-9)
    np.testing.assert_allclose(change[PRODUCT == SHOPPING], 0.0, atol=1e-12)


def test_quality_helps_in_every_domain() -> None:
    change = click_change(quality=ADS.quality + 0.1)
    np.testing.assert_allclose(change, np.where(SURFACE == HOME, 0.0715, 0.055), atol=1e-9)


def test_a_price_harms_on_either_side_of_the_budget() -> None:
    first = CHUNK.row == CHUNK.row[np.flatnonzero((SURFACE == SEARCH) & (PRODUCT == SHOPPING))[0]]
    budget = population(DEMO).budget[CHUNK.requests.user[CHUNK.row[first]][0]]
    fits, dear, cheap = (
        truth_of(replace(ADS, log_price=np.full(len(ADS.ad_id), budget + gap))).click[first]
        for gap in (0.0, 1.0, -1.0)
    )
    np.testing.assert_allclose((fits - dear)[PRODUCT[first] == SHOPPING], 0.4, atol=1e-9)
    np.testing.assert_allclose(dear, cheap, atol=1e-9)


@pytest.mark.parametrize("origin", [date(2025, 1, 1), date(2025, 6, 9)])
def test_weekends_shop_more_whatever_day_the_origin_is(origin: date) -> None:
    config = WorldConfig(origin=origin)
    friday = config.day_index(date(2026, 1, 2))
    aged = [replace(ADS, born=ADS.born - DAY + day) for day in (friday, friday + 1)]
    change = truth_of(aged[1], friday + 1, config).click - truth_of(aged[0], friday, config).click
    slow = 0.15 * 2 * np.pi / 97  # the most that the slow wave moves in a day
    np.testing.assert_allclose(change[PRODUCT == SHOPPING], 0.25, atol=slow)
    np.testing.assert_allclose(change[PRODUCT == STANDARD], -0.08, atol=slow)


def test_domains_drift_apart_over_weeks() -> None:
    later = truth_of(replace(ADS, born=ADS.born + 49), DAY + 49)
    drift = (later.click - truth_of().click).round(9)
    by_domain = [
        set(drift[(surface == SURFACE) & (product == PRODUCT)]) for surface in range(3) for product in (0, 1)
    ]
    assert [len(values) for values in by_domain] == [1] * 6
    values = [value for (value,) in by_domain]
    assert min(values) < -0.05
    assert max(values) > 0.05


def test_the_weekly_cycle_shows_in_the_days_means(demo: Pairs) -> None:
    weekend = np.isin(demo.day, [DAY + 2, DAY + 3])
    shopping = demo.domain % 2 == SHOPPING
    means = [demo.true[shopping & days, 0].mean() for days in (weekend, ~weekend)]
    assert means[0] > 1.1 * means[1]


def test_user_taste_and_context_both_matter_in_every_domain(demo: Pairs) -> None:
    for domain in range(6):
        true = demo.true[demo.domain == domain, 0]
        assert np.quantile(true, 0.9) > 8 * np.quantile(true, 0.1)


def test_domains_have_rates_of_their_own(demo: Pairs) -> None:
    means = [demo.true[demo.domain == domain, 0].mean() for domain in range(6)]
    assert max(means) > 5 * min(means)


def test_conditional_actions_are_rarer_and_outbound_is_for_standard_ads_only(demo: Pairs) -> None:
    click, good, outbound = demo.true.T
    assert (good < click).all()
    standard = demo.domain % 2 == STANDARD
    assert (outbound[standard] < click[standard]).all()
    assert np.isnan(outbound[~standard]).all()
