"""Each damage to a table fails exactly the expectation it is about, with the right count.

Requests: 60, i has id 1000 · day + i and surface i % 3; every 10th value is null. Ads: 20, even ids are standard, odd
ones shopping; each is in 18 candidates. Candidates: 360, 6 to a request; the first two of each request were shown and
the first clicked; ctr is 0.1 to 0.105, gctr 0.05, and octr 0.02 on standard ads. Lists have three values.
"""

import shutil
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.features.feature import LONGEST_LIST
from mtmd.validate.runner import validate_day
from tests.validate.conftest import DAY, YESTERDAY, Logs, repeated

ROW = "request_id % 1000"
NOT_CLICKED = "impressed and not clicked"
OUTCOMES = ("clicked", "good_clicked", "outbound_clicked", "hidden", "repinned", "position")
REQUESTS = [
    ("ts = null where {row} = 1", "ts_not_null", 1),
    ("surface = null where {row} = 1", "surface_not_null", 1),
    ("surface = 'feed' where {row} = 0", "surface_known", 1),
    ("ts = ts - interval 1 day where {row} < 3", "ts_inside_the_day", 3),
    ("user_activity = '-inf' where {row} = 1", "numbers_finite", 1),
    ("user_activity = 3e38 where {row} = 1", "numbers_finite", 1),  # its square is beyond a float32
    ("user_vector = user_vector[1:15] where {row} < 2", "vectors_whole", 2),
    ("user_vector = list_concat(['nan'::float], user_vector[2:16]) where {row} = 1", "vectors_whole", 1),
    ("user_vector = list_concat(user_vector[1:15], [null]) where {row} = 1", "vectors_whole", 1),
    ("user_vector = list_concat([3e38::float], user_vector[2:16]) where {row} = 1", "vectors_whole", 1),
    ("country = repeat('a', 1025) where {row} < 2", "categories_short", 2),
    ("country = repeat('ä', 1024) where {row} = 1", None, 0),
    ("history_length = 1 where {row} = 1", "features_null_where_lacking", 1),
]
ADS = [
    ("product = null where ad_id = 3", "product_not_null", 1),
    ("product = 'collection' where ad_id = 3", "product_known", 1),
    ("goal = null where ad_id = 3", "goal_not_null", 1),
    ("goal = 'view' where ad_id in (3, 4)", "goal_known", 2),
    ("bid = null where ad_id = 3", "bid_not_null", 1),
    ("bid = -0.01 where ad_id in (3, 4)", "bid_is_an_amount", 2),
    ("bid = 'nan' where ad_id = 3", "bid_is_an_amount", 1),
    ("price = 2 where ad_id = 0", "features_null_where_lacking", 1),
]
CANDIDATES = [
    ("request_id = null where {row} = 1", "request_id_not_null", 6),
    ("ad_id = null where {row} = 1", "ad_id_not_null", 6),
    ("impressed = null where {row} = 1 and not impressed", "impressed_not_null", 4),
    ("request_id = -1 where {row} = 1", "request_exists", 6),
    ("ad_id = 100 where {row} = 1 and ad_id = 3", "ad_exists", 1),
    ("ctr = 1 where {row} = 1 and ad_id = 3", "ctr_is_a_probability", 1),
    ("ctr = if(ad_id % 2 = 0, 'nan', 'inf') where {row} = 1", "ctr_is_a_probability", 6),
    ("gctr = if(ad_id = 3, 'nan', '0') where {row} = 1 and ad_id < 6", "gctr_is_a_probability", 3),
    ("octr = -0.01 where {row} = 1 and ad_id = 4", "octr_is_a_probability", 1),
    ("ctr = null where {row} = 1", "ctr_exactly_where_defined", 6),
    ("octr = null where {row} < 2", "octr_exactly_where_defined", 6),
    ("gctr = 0.3 where {row} = 1 and ad_id < 5", "gctr_at_most_ctr", 2),
    ("hidden = false where {row} = 1", "outcomes_null_unless_impressed", 4),
    ("position = 5 where {row} = 1 and not impressed", "outcomes_null_unless_impressed", 4),
    ("clicked = null where {row} = 1", "clicked_exactly_where_defined", 2),
    ("outbound_clicked = false where {row} < 4 and impressed", "outbound_clicked_exactly_where_defined", 4),
    (f"good_clicked = true where {{row}} < 3 and {NOT_CLICKED}", "good_clicked_only_if_clicked", 3),
    (f"impressed = false, {', '.join(f'{one} = null' for one in OUTCOMES)}", "label_rates_steady", 1),
    # ctr of both home feed domains, with gctr's part of it, and octr's of standard
    ("ctr = ctr * 6 where {row} % 3 = 0", "mean_scores_steady", 5),
]
TABLES = {"requests": REQUESTS, "ads": ADS, "candidates": CANDIDATES}
OF_LISTS = [
    ("words = ['a', null] where {row} in (1, 2)", "lists_whole", 2),
    ("words = ['a', 'a', 'a', 'a', 'a'] where {row} = 1", "lists_within_max_length", 1),
    # what is not read of a list may be long
    ("words = ['a', 'a', 'a', 'a', repeat('b', 2000000)] where {row} = 1", "lists_within_max_length", 1),
    ("words = ['a', repeat('b', 1025)] where {row} in (1, 2)", "categories_short", 2),
    ("words = ['a'] where {row} in (0, 3)", "features_null_where_lacking", 2),
    ("tags = [] where {row} = 1", None, 0),
]


def updated(change: str) -> str:
    return f"update t set {change.format(row=ROW)}"


@pytest.mark.parametrize(
    ("table", "change", "expectation", "count"),
    [(table, *case) for table, cases in TABLES.items() for case in cases],
)
def test_damage_fails_its_expectation(
    logs, yesterday, table: str, change: str, expectation: str | None, count: int
) -> None:
    logs.damage(table, updated(change))
    found = logs.failing(yesterday)
    assert found == ({} if expectation is None else {f"{table}.{expectation}": count})


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"requests": f"insert into t from t where {ROW} in (3, 4)"}, {"requests.request_id_unique": 2}),
        ({"ads": "insert into t from t where ad_id = 3"}, {"ads.ad_id_unique": 1}),
        ({"candidates": f"insert into t from t where {ROW} = 1"}, {"candidates.request_id_ad_id_unique": 6}),
        (
            {"requests": updated("request_id = null where {row} = 1")},
            {"requests.request_id_not_null": 1, "candidates.request_exists": 6},
        ),
        (
            {"ads": "update t set ad_id = null where ad_id = 3"},
            {"ads.ad_id_not_null": 1, "candidates.ad_exists": 18},
        ),
        (
            {"requests": updated("country = repeat('a', 2000000) where {row} = 1")},
            {"requests.categories_bounded": 1, "requests.categories_short": 1},
        ),
        # 2 of the 20 home feed requests are left: 6 rows in each product, 2.4 % of all instead of 17 %
        (
            {"candidates": f"delete from t where {ROW} % 3 = 0 and {ROW} < 54"},
            {"candidates.domain_mix_steady": 2},
        ),
    ],
)
def test_other_damage_fails_its_expectations(
    logs, yesterday, changes: dict[str, str], failing: dict[str, int]
) -> None:
    for table, sql in changes.items():
        logs.damage(table, sql)
    assert logs.failing(yesterday) == failing


@pytest.mark.parametrize(
    ("table", "change", "count"),
    [
        ("requests", "country = null where surface = 'search'", 1),
        ("requests", "user_ctr_30d = 'nan', device = null", 6),
        ("requests", "user_vector = null where surface = 'related_pin'", 1),
        ("ads", "price = null where ad_id % 2 = 1", 1),
    ],
)
def test_features_that_go_missing_are_found_by_domain(
    logs, yesterday, table: str, change: str, count: int
) -> None:
    logs.damage(table, updated(change))
    assert logs.failing(*repeated(yesterday)) == {f"{table}.null_rates_steady": count}


def test_a_copied_day_is_found_by_its_times_and_ads_may_be_as_they_were(logs, yesterday) -> None:
    shutil.copy(logs.file("ads", YESTERDAY), logs.file("ads"))
    assert logs.failing(yesterday) == {}
    for table in ("requests", "candidates"):
        shutil.copy(logs.file(table, YESTERDAY), logs.file(table))
    assert logs.failing(yesterday) == {"requests.ts_inside_the_day": 60}


def test_samples_are_keys_and_values(logs, yesterday) -> None:
    logs.damage("candidates", updated("gctr = 0.25, ctr = 0.125 where {row} = 1 and ad_id = 3"))
    (failure,) = logs.validate(yesterday).failures
    assert failure.samples == ({"request_id": "739618001", "ad_id": "3", "gctr": "0.25", "ctr": "0.125"},)


@pytest.fixture
def listed(tmp_path: Path, strict_preset: Preset) -> Logs:
    lists = [
        {"name": "words", "max_length": 4, "domains": ["search", "related_pin"]},
        {"name": "tags", "max_length": 3},
    ]
    kind = {"side": "query", "kind": "multivalued", "buckets": 100}
    content = strict_preset.model_dump()
    features = [*content["features"], *(kind | one for one in lists)]
    made = Logs(tmp_path / "listed", Preset.model_validate(content | {"features": features}))
    made.write(DAY)
    return made


@pytest.mark.parametrize(("change", "expectation", "count"), OF_LISTS)
def test_damage_to_lists_fails_its_expectation(
    listed: Logs, change: str, expectation: str | None, count: int
) -> None:
    listed.damage("requests", updated(change))
    assert listed.failing() == ({} if expectation is None else {f"requests.{expectation}": count})


def test_huge_lists_and_texts_stop_the_day_and_the_feature_is_named(listed: Logs) -> None:
    listed.damage("requests", updated("words = list_resize(words, 1000000, 'a') where {row} = 1"))
    listed.damage("requests", updated("tags = ['a', repeat('b', 2000000), 'c'] where {row} = 2"))
    found = {failure.name: failure for failure in listed.validate().failures}
    assert found.keys() == {"lists_whole", "categories_bounded"}
    assert str(LONGEST_LIST) in found["lists_whole"].description
    assert found["lists_whole"].samples[0]["features"] == "words"
    assert found["categories_bounded"].samples[0]["features"] == "tags"


def test_values_of_lists_and_lists_that_go_missing_are_compared_with_earlier_days(listed: Logs) -> None:
    listed.write(YESTERDAY)
    yesterday = validate_day(listed.source, YESTERDAY, listed.preset).profile
    (cells,) = [one.rows for one in yesterday.cells if one.key[2:] == ("search", "tags")]
    assert sum(cells.values()) == 3 * 18
    listed.damage("requests", "update t set tags = [] where surface = 'search'")
    assert listed.failing(*repeated(yesterday)) == {"requests.null_rates_steady": 1}
