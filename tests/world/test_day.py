import numpy as np
import pytest

from mtmd.world import WorldConfig
from mtmd.world.day import chunks, counters
from mtmd.world.population import ads_alive
from tests.world.days import Pairs, pairs

DEMO = WorldConfig.demo()
DAY = 365
TASKS = pytest.mark.parametrize("task", [0, 1, 2], ids=["ctr", "gctr", "octr"])


def loss(actions: np.ndarray, p: np.ndarray) -> np.ndarray:
    return -np.where(actions, np.log(p), np.log1p(-p))


def test_demo_domains_are_very_unequal(demo: Pairs) -> None:
    shares = np.bincount(demo.domain) / len(demo.domain)
    assert len(shares) == 6
    assert 0.02 < shares.min() < 0.05
    assert shares.argmin() == 3  # search, shopping
    assert shares.max() > 0.3
    assert 14_000 < len(demo.domain) / 8 < 17_000


def test_every_tiny_domain_has_rows_on_every_day_that_tests_use() -> None:
    tiny = pairs(WorldConfig.tiny(), 22)
    rows = np.zeros((22, 6), dtype=np.int64)
    np.add.at(rows, (tiny.day - DAY, tiny.domain), 1)
    assert rows.min() >= 5


def test_candidates_of_a_request_are_distinct_ads_beside_each_other() -> None:
    (chunk,) = chunks(DEMO, DAY)
    assert (np.diff(chunk.row) >= 0).all()
    assert set(chunk.row) == set(range(DEMO.requests_per_day))
    assert len(np.unique(chunk.row * 1_000_000 + chunk.ad)) == len(chunk.row)


def test_small_chunks_make_every_request_once() -> None:
    config = WorldConfig(requests_per_day=50, chunk_requests=7)
    parts = list(chunks(config, DAY))
    assert [len(part.requests.request_id) for part in parts] == [7] * 7 + [1]
    ids = np.concatenate([part.requests.request_id for part in parts])
    assert len(np.unique(ids)) == 50


def test_request_ids_never_repeat_on_another_day() -> None:
    days = [next(iter(chunks(DEMO, day))).requests.request_id for day in range(DAY, DAY + 3)]
    assert len(np.unique(np.concatenate(days))) == 3 * DEMO.requests_per_day


def test_the_auction_shows_the_best_few_and_explores(demo: Pairs) -> None:
    np.testing.assert_array_equal(demo.impressed, demo.position <= 4)
    (chunk,) = chunks(DEMO, DAY)
    shown = np.bincount(chunk.row, chunk.impressed)
    sizes = np.bincount(chunk.row)
    np.testing.assert_array_equal(shown, np.minimum(sizes, DEMO.impressions_per_request))
    value = chunk.scores[:, 0] * ads_alive(DEMO, DAY).bid[chunk.ad]
    assert value[chunk.impressed].mean() > 1.5 * value[~chunk.impressed].mean()
    best = np.array([value[chunk.row == row].argmax() for row in range(200)])
    first = np.array([chunk.position[chunk.row == row].argmin() for row in range(200)])
    assert 0.3 < (best == first).mean() < 0.95


@TASKS
def test_actions_of_shown_ads_follow_the_truth(demo: Pairs, task: int) -> None:
    rows = demo.impressed & ~np.isnan(demo.true[:, task])
    for inside in (rows, *(rows & (demo.domain == domain) for domain in range(6))):
        p = demo.true[inside, task]
        error = demo.actions[inside, task].sum() - p.sum()
        assert abs(error) <= 3.5 * np.sqrt((p * (1 - p)).sum())


@TASKS
def test_given_the_truth_the_teacher_tells_nothing_of_the_actions(demo: Pairs, task: int) -> None:
    rows = demo.impressed & ~np.isnan(demo.true[:, task])
    p, s, y = demo.true[rows, task], demo.scores[rows, task], demo.actions[rows, task]
    terms = (y - p) * (s - p)
    assert abs(terms.sum()) <= 4.5 * np.sqrt((p * (1 - p) * (s - p) ** 2).sum())


@TASKS
def test_the_truth_predicts_actions_better_than_the_teacher(demo: Pairs, task: int) -> None:
    rows = ~np.isnan(demo.true[:, task])  # shown or not: what a user would do
    p, s, y = demo.true[rows, task], demo.scores[rows, task], demo.actions[rows, task]
    gain = loss(y, s) - loss(y, p)
    assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))


def test_good_and_outbound_clicks_are_clicks(demo: Pairs) -> None:
    clicked, good, outbound = demo.actions.T
    assert not (good & ~clicked).any()
    assert not (outbound & ~clicked).any()
    assert 0.2 < good.sum() / clicked.sum() < 0.9


def test_a_days_counters_need_no_other_day_and_are_heavy_tailed() -> None:
    ads = ads_alive(DEMO, DAY)
    seen, again = counters(DEMO, DAY, ads), counters(DEMO, DAY, ads)
    np.testing.assert_array_equal(seen.impressions, again.impressions)
    assert (seen.impressions[ads.born == DAY - 1] == 0).all()
    assert (seen.impressions[ads.born < DAY - 1] > 0).mean() > 0.99
    assert seen.impressions.max() > 30 * np.median(seen.impressions)
    assert ((seen.ctr > 0) & (seen.ctr < 1)).all()


def test_good_ads_have_a_higher_rate_in_their_counters() -> None:
    ads = ads_alive(DEMO, DAY)
    known = ads.born < DAY - 1
    ctr = counters(DEMO, DAY, ads).ctr
    assert np.corrcoef(ctr[known], ads.quality[known])[0, 1] > 0.7
