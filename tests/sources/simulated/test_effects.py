"""The truth is shared in part, flips in part, and is no dot product."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.sources.simulated.ads import AdMarket, Ads
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.effects import Effects
from mtmd.sources.simulated.population import Population
from mtmd.sources.simulated.requests import HOME, RELATED, SEARCH, Requests, draw_requests
from tests.worlds import grid

DAY = 2195
ORDINAL = WorldConfig().origin.toordinal() + DAY


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(WorldConfig())


@pytest.fixture(scope="module")
def sides(population: Population) -> tuple[Requests, Ads]:
    return draw_requests(population, ORDINAL, 0, 300), AdMarket(population).ads(DAY)


def click(
    population: Population, sides: tuple[Requests, Ads], surface: int, product: int
) -> NDArray[np.float64]:
    pairs = grid(sides, surface, product)
    logits = Effects(population).logits(*sides, pairs, DAY)[:, 0]
    return logits.reshape(len(np.unique(pairs.request)), -1)


@pytest.mark.parametrize("product", [0, 1])
@pytest.mark.parametrize("surface", [HOME, SEARCH, RELATED])
def test_pairs_matter_and_no_dot_product_of_latent_width_says_it_all(
    population: Population, sides: tuple[Requests, Ads], surface: int, product: int
) -> None:
    logits = click(population, sides, surface, product)
    by_pair = logits - logits.mean(0) - logits.mean(1)[:, None] + logits.mean()  # less both main effects
    values = np.linalg.svd(by_pair, compute_uv=False) ** 2
    assert values.sum() / logits.size > 0.25 * logits.var()
    assert values[population.config.latent_width :].sum() > 0.03 * values.sum()


def test_ads_rank_differently_on_different_surfaces_and_yet_alike(
    population: Population, sides: tuple[Requests, Ads]
) -> None:
    """The same effects, partly: an ad's mean log-odds correlate over surfaces, but not fully."""
    by_ad = [click(population, sides, surface, 0).mean(0) for surface in (HOME, SEARCH, RELATED)]
    correlations = np.corrcoef(by_ad)[np.triu_indices(3, 1)]
    assert correlations.max() > 0.2
    assert correlations.max() < 0.95


def test_new_ads_attract_at_home_and_repel_in_search(
    population: Population, sides: tuple[Requests, Ads]
) -> None:
    requests, ads = sides
    effects = Effects(population)
    for surface, sign in ((HOME, 1), (SEARCH, -1)):
        pairs = grid(sides, surface, 0)
        fresh = Ads(**{**ads.__dict__, "age": np.zeros_like(ads.age)})
        stale = Ads(**{**ads.__dict__, "age": np.full_like(ads.age, 90.0)})
        gain = (
            effects.logits(requests, fresh, pairs, DAY)[:, 0]
            - effects.logits(requests, stale, pairs, DAY)[:, 0]
        )
        assert (sign * gain > 0).all()


def test_the_truth_drifts_slowly(population: Population, sides: tuple[Requests, Ads]) -> None:
    effects, pairs = Effects(population), grid(sides, HOME, 0)
    days = [effects.logits(*sides, pairs, DAY + back)[:, 0] for back in (0, 1, 20)]
    overnight, over_weeks = np.abs(days[1] - days[0]).max(), np.abs(days[2] - days[0]).max()
    assert 0 < overnight < 0.1
    assert over_weeks > 2 * overnight


def test_a_long_history_sharpens_taste_at_home_only(
    population: Population, sides: tuple[Requests, Ads]
) -> None:
    requests, ads = sides
    effects = Effects(population)
    long = Requests(**{**requests.__dict__, "history_length": np.full(len(requests), 1e4)})
    for surface, moves in ((HOME, True), (SEARCH, False)):
        pairs = grid(sides, surface, 0)
        changed = (
            effects.logits(long, ads, pairs, DAY)[:, 0] != effects.logits(requests, ads, pairs, DAY)[:, 0]
        )
        assert changed.any() == moves
