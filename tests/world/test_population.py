import numpy as np
import pytest

from mtmd.world import WorldConfig
from mtmd.world.population import Stream, ads_alive, population, stream
from tests.world.days import Pairs

DEMO = WorldConfig.demo()
DAY = 365


def test_streams_are_repeatable_and_differ_by_purpose_place_and_seed() -> None:
    def draw(config: WorldConfig, purpose: Stream, *place: int) -> float:
        return float(stream(config, purpose, *place).random())

    first = draw(DEMO, Stream.CHUNK, 5, 0)
    assert first == draw(DEMO, Stream.CHUNK, 5, 0)
    others = [
        draw(DEMO, Stream.COUNTERS, 5, 0),
        draw(DEMO, Stream.CHUNK, 5, 1),
        draw(DEMO, Stream.CHUNK, 6, 0),
        draw(WorldConfig.demo(seed=1), Stream.CHUNK, 5, 0),
    ]
    assert len({first, *others}) == 5


def test_every_purpose_has_a_number_of_its_own() -> None:
    assert len({int(purpose) for purpose in Stream}) == len(Stream.__members__)


def test_ad_ids_are_unique_and_every_day_brings_new_ads_and_ends_old_ones() -> None:
    before, after = ads_alive(DEMO, DAY), ads_alive(DEMO, DAY + 1)
    assert len(set(before.ad_id)) == len(before.ad_id) == DEMO.ads_alive
    assert len(set(after.ad_id) - set(before.ad_id)) == DEMO.new_ads_per_day
    assert len(set(before.ad_id) - set(after.ad_id)) == DEMO.new_ads_per_day


def test_an_ad_keeps_what_it_is_while_it_lives() -> None:
    before, after = ads_alive(DEMO, DAY), ads_alive(DEMO, DAY + 3)
    _, i, j = np.intersect1d(before.ad_id, after.ad_id, return_indices=True)
    assert len(i) == DEMO.ads_alive - 3 * DEMO.new_ads_per_day
    for name in ("born", "product", "topic", "goal", "bid", "latent", "log_price"):
        np.testing.assert_array_equal(getattr(before, name)[i], getattr(after, name)[j])


def test_ads_are_between_one_day_and_their_life_old() -> None:
    ages = DAY - ads_alive(DEMO, DAY).born
    assert (ages.min(), ages.max()) == (1, DEMO.ad_life_days)


def test_ads_of_the_first_day_were_born_before_it() -> None:
    ads = ads_alive(DEMO, 0)
    assert ads.born.max() == -1
    assert ads.ad_id.min() > 0


def test_popularity_is_heavy_tailed(demo: Pairs) -> None:
    _, shown = np.unique(demo.ad_id, return_counts=True)
    shown = np.sort(shown)[::-1]
    assert shown[: len(shown) // 10].sum() > 0.4 * shown.sum()
    assert shown.max() > 20 * np.median(shown)


def test_activity_of_users_is_heavy_tailed() -> None:
    activity = np.sort(population(DEMO).activity)[::-1]
    assert activity[: len(activity) // 10].sum() > 0.3 * activity.sum()


@pytest.mark.parametrize("name", ["user", "history", "query", "subject", "ad"])
def test_each_logged_vector_has_a_view_of_its_own(name: str) -> None:
    views = population(DEMO).views
    assert views[name].shape == (DEMO.latent, 16)
    assert sum(np.array_equal(views[name], other) for other in views.values()) == 1
