"""Explored candidates: a uniform draw from the eligible ads that retrieval did not choose."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mtmd.sources.simulated.ads import AdMarket, Ads
from mtmd.sources.simulated.config import BROAD, FunnelConfig, WorldConfig
from mtmd.sources.simulated.eligibility import eligible, with_explored
from mtmd.sources.simulated.platform import SimulatedPlatform, simulate
from mtmd.sources.simulated.population import Population
from mtmd.sources.simulated.requests import Pairs, Requests, draw_pairs, draw_requests
from tests.worlds import tiny_world

DAY = date(2026, 1, 4)
ORDINAL = DAY.toordinal()
CONFIG = WorldConfig(explored_per_request=16)


def names(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.request.tolist(), pairs.ad.tolist(), strict=True))


@pytest.fixture(scope="module")
def drawn() -> tuple[Requests, Ads, Pairs]:
    population = Population(CONFIG)
    requests, ads = draw_requests(population, ORDINAL, 0, 300), AdMarket(population).ads(2000)
    return requests, ads, draw_pairs(population, requests, ads, ORDINAL, 0)


def test_every_request_gets_as_many_eligible_ads_that_were_not_chosen(
    drawn: tuple[Requests, Ads, Pairs],
) -> None:
    requests, ads, chosen = drawn
    pairs, explored = with_explored(CONFIG, requests, ads, chosen, ORDINAL, 0)
    assert (np.diff(pairs.request * 10**6 + pairs.ad) > 0).all()
    assert names(Pairs(pairs.request[~explored], pairs.ad[~explored])) == names(chosen)
    found = Pairs(pairs.request[explored], pairs.ad[explored])
    assert names(found) <= names(eligible(requests, ads, BROAD)) - names(chosen)
    assert np.bincount(found.request).tolist() == [16] * 300


def test_each_eligible_ad_is_as_likely_as_another(drawn: tuple[Requests, Ads, Pairs]) -> None:
    """Retrieval prefers popular ads; the mean of the explored ones is that of all they are drawn from."""
    requests, ads, chosen = drawn
    pairs, explored = with_explored(CONFIG, requests, ads, chosen, ORDINAL, 0)
    others = np.array(sorted(names(eligible(requests, ads, BROAD)) - names(chosen)))
    for trait in (ads.popularity, ads.topic, ads.impressions_7d, ads.product):
        pool, found = trait[others[:, 1]].astype(np.float64), trait[pairs.ad[explored]].astype(np.float64)
        of_request = np.bincount(others[:, 0], pool) / np.bincount(others[:, 0])
        error = pool.std() / np.sqrt(len(found))
        assert abs(found.mean() - of_request.mean()) < 4 * error
    assert ads.popularity[chosen.ad].mean() > 1.3 * ads.popularity[others[:, 1]].mean()


def test_a_request_with_fewer_eligible_ads_gets_all_of_them(drawn: tuple[Requests, Ads, Pairs]) -> None:
    requests, ads, chosen = drawn
    many = CONFIG.model_copy(update={"explored_per_request": 4_000})
    pairs, _ = with_explored(many, requests, ads, chosen, ORDINAL, 0)
    assert names(pairs) == names(eligible(requests, ads, BROAD)) | names(chosen)


def test_the_funnel_means_the_same_ads_by_eligible() -> None:
    assert FunnelConfig().broad == BROAD


def test_explored_rows_are_marked_scored_and_take_part_in_the_auction(tmp_path: Path) -> None:
    plain, exploring = tiny_world(), tiny_world().model_copy(update={"explored_per_request": 4})
    rows = {}
    for name, world in (("plain", plain), ("exploring", exploring)):
        simulate(world, DAY, DAY, tmp_path / name)
        rows[name] = pq.read_table(tmp_path / name / "candidates" / f"date={DAY}", partitioning=None)
    assert "explored" not in rows["plain"].column_names
    found = rows["exploring"]
    assert set(found.column_names) == {*rows["plain"].column_names, "explored"}
    explored = found["explored"].to_numpy()
    assert explored.sum() == 4 * len(set(found["request_id"].to_pylist()))
    assert found.filter(~explored).num_rows == rows["plain"].num_rows  # retrieval chose as it did
    assert found["ctr"].null_count == 0
    shown = found["impressed"].to_numpy()[explored]
    assert 0 < shown.sum() < len(shown)


def test_a_block_has_as_many_rows_whether_they_are_explored_or_not() -> None:
    wide = WorldConfig(candidates_per_request=48, explored_per_request=16)
    assert wide.block_requests == WorldConfig(candidates_per_request=64).block_requests == 512
    (first, *_) = SimulatedPlatform(tiny_world()).blocks(DAY, SimulatedPlatform(tiny_world()).ads(DAY))
    assert not first.explored.any()
