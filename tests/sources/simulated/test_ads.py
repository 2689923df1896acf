"""The market: which ads live, and what their snapshot says."""

from itertools import pairwise

import numpy as np
import pytest

from mtmd.sources.simulated.ads import AdMarket
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.population import Population


@pytest.fixture(scope="module")
def market() -> AdMarket:
    return AdMarket(Population(WorldConfig()))


def test_ads_start_and_end_every_day(market: AdMarket) -> None:
    alive = [set(market.alive(day)[0].tolist()) for day in range(2190, 2220)]
    new = [len(today - yesterday) for yesterday, today in pairwise(alive)]
    assert {len(ids) for ids in alive} == {2400}
    assert min(new) > 20
    assert 45 <= np.mean(new) <= 75  # 60 by configuration


def test_an_ad_never_comes_back(market: AdMarket) -> None:
    seen: set[int] = set()
    ended: set[int] = set()
    for day in range(300, 330):
        alive = set(market.alive(day)[0].tolist())
        assert not alive & ended
        ended |= seen - alive
        seen |= alive


def test_an_ad_keeps_its_traits_and_ages_a_day_a_day(market: AdMarket) -> None:
    today, tomorrow = market.ads(100), market.ads(101)
    _, i, j = np.intersect1d(today.ad_id, tomorrow.ad_id, return_indices=True)
    for trait in ("product", "topic", "advertiser", "latent", "quality", "price", "bid"):
        np.testing.assert_array_equal(getattr(today, trait)[i], getattr(tomorrow, trait)[j])
    np.testing.assert_array_equal(today.age[i] + 1, tomorrow.age[j])


def test_counters_know_only_the_past(market: AdMarket) -> None:
    ads = market.ads(100)
    assert (ads.impressions_7d[ads.age == 0] == 0).all()
    assert (ads.clicks_7d <= ads.impressions_7d).all()
    weekly = 7 * 1000 * 4  # requests a day × impressions of each
    assert 0.8 * weekly <= ads.impressions_7d.sum() <= weekly
    old = ads.age > 20
    assert np.corrcoef(ads.popularity[old], ads.impressions_7d[old])[0, 1] > 0.95


def test_groups_cover_all_ads_in_order(market: AdMarket) -> None:
    ads = market.ads(7)
    starts, stops = ads.group_start.ravel(), ads.group_stop.ravel()
    assert starts[0] == 0
    assert stops[-1] == len(ads.ad_id)
    np.testing.assert_array_equal(starts[1:], stops[:-1])
