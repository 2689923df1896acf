"""Each damage to `ads` fails exactly the expectation it is about, with the right count.

Of the 20 ads, even ids are standard and odd ones shopping; each ad is in 18 of the 360 candidates.
"""

import shutil
from datetime import timedelta

import pytest


@pytest.mark.parametrize(
    ("sql", "expectation", "count"),
    [
        ("update t set product = null where ad_id = 3", "product_not_null", 1),
        ("update t set product = 'collection' where ad_id = 3", "product_known", 1),
        ("update t set goal = null where ad_id = 3", "goal_not_null", 1),
        ("update t set goal = 'view' where ad_id in (3, 4)", "goal_known", 2),
        ("update t set bid = null where ad_id = 3", "bid_not_null", 1),
        ("update t set bid = -0.01 where ad_id in (3, 4)", "bid_is_an_amount", 2),
        ("update t set bid = 'nan' where ad_id = 3", "bid_is_an_amount", 1),
        ("insert into t from t where ad_id = 3", "ad_id_unique", 1),
        ("update t set ad_ctr_7d = 'inf' where ad_id = 3", "numbers_finite", 1),
        ("update t set ad_vector = [1.0] where ad_id = 3", "vectors_whole", 1),
        ("update t set price = 2 where ad_id = 0", "features_null_where_lacking", 1),
        ("update t set price = null where ad_id % 2 = 1", "null_rates_steady", 1),
    ],
)
def test_damage_fails_its_expectation(logs, yesterday, sql: str, expectation: str, count: int) -> None:
    logs.damage("ads", sql)
    assert logs.failing(yesterday) == {f"ads.{expectation}": count}


def test_missing_ad_id_is_found(logs, yesterday) -> None:
    logs.damage("ads", "update t set ad_id = null where ad_id = 3")
    assert logs.failing(yesterday) == {"ads.ad_id_not_null": 1, "candidates.ad_exists": 18}


def test_a_copied_snapshot_is_found_unless_the_preset_allows_it(
    logs, yesterday, day, allowing_copies
) -> None:
    shutil.copy(logs.file("ads", day - timedelta(days=1)), logs.file("ads"))
    assert logs.failing(yesterday) == {"ads.content_is_new": 1}
    assert allowing_copies(logs).failing(yesterday) == {}
