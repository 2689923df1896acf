"""Retrieval."""

from datetime import date

import numpy as np
import pytest

from mtmd.sources.simulated.ads import AdMarket
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.population import Population
from mtmd.sources.simulated.requests import SHOPPING_SHARE, draw_pairs, draw_requests
from tests.worlds import tiny_world

DAY = date(2026, 1, 4).toordinal()


@pytest.mark.parametrize("config", [WorldConfig(), tiny_world(), tiny_world(seed=5)])
def test_pairs_are_distinct_sorted_and_about_as_many_as_asked(config: WorldConfig) -> None:
    population = Population(config)
    requests = draw_requests(population, DAY, 0, 50)
    pairs = draw_pairs(population, requests, AdMarket(population).ads(2000), DAY, 0)
    key = pairs.request * 10**6 + pairs.ad
    assert (np.diff(key) > 0).all()
    assert len(key) / 50 == pytest.approx(config.candidates_per_request, rel=0.15)
    assert len(np.unique(pairs.request)) == 50


def test_retrieval_prefers_the_topic_and_popular_ads() -> None:
    population = Population(WorldConfig())
    requests, ads = draw_requests(population, DAY, 0, 1000), AdMarket(population).ads(2000)
    pairs = draw_pairs(population, requests, ads, DAY, 0)
    on_topic = ads.topic[pairs.ad] == requests.topic[pairs.request]
    assert 0.4 < on_topic.mean() < 0.8
    assert ads.popularity[pairs.ad].mean() > 2 * ads.popularity.mean()


def test_products_have_their_share_by_surface() -> None:
    population = Population(WorldConfig())
    requests, ads = draw_requests(population, DAY, 0, 1000), AdMarket(population).ads(2000)
    pairs = draw_pairs(population, requests, ads, DAY, 0)
    surface = requests.surface[pairs.request]
    found = [ads.product[pairs.ad[surface == s]].mean() for s in range(3)]
    np.testing.assert_allclose(found, SHOPPING_SHARE, atol=0.02)


def test_a_market_too_small_for_a_request_gives_fewer_candidates() -> None:
    config = WorldConfig(ads=20, new_ads_per_day=1, topics=2, candidates_per_request=40)
    population = Population(config)
    requests, ads = draw_requests(population, DAY, 0, 20), AdMarket(population).ads(2000)
    pairs = draw_pairs(population, requests, ads, DAY, 0)
    assert np.bincount(pairs.request).max() <= 20
