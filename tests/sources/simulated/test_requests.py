"""Requests of a block."""

from datetime import date

import numpy as np
import pytest

from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.population import Population
from mtmd.sources.simulated.requests import SURFACE_SHARE, draw_requests, request_count

SUNDAY, TUESDAY = date(2026, 1, 4).toordinal(), date(2026, 1, 6).toordinal()


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(WorldConfig())


def test_weekends_are_busier(population: Population) -> None:
    assert request_count(population.config, SUNDAY) == 1100
    assert request_count(population.config, TUESDAY) == 940


def test_surfaces_have_their_shares_in_any_stretch(population: Population) -> None:
    surface = draw_requests(population, SUNDAY, 0, 60).surface
    np.testing.assert_allclose(np.bincount(surface), 60 * SURFACE_SHARE, atol=2)


def test_context_follows_the_topic_of_the_request(population: Population) -> None:
    requests = draw_requests(population, SUNDAY, 0, 1000)
    likeness = (requests.context @ population.centres.T).argmax(1) == requests.topic
    assert likeness.mean() > 0.6


def test_activity_is_heavy_tailed(population: Population) -> None:
    users = draw_requests(population, SUNDAY, 0, 1100).users.user_id
    assert (users < 300).mean() > 0.2  # the busiest tenth of 3,000


def test_times_are_inside_the_day(population: Population) -> None:
    requests = draw_requests(population, SUNDAY, 0, 1100)
    assert requests.second.min() >= 0
    assert requests.second.max() < 86_400
    assert set(np.unique(requests.hour)) == set(range(24))
