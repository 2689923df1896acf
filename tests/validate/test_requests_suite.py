"""Each damage to `requests` fails exactly the expectation it is about, with the right count.

Of the 60 requests of the day, request i has id 1000 · day + i, surface i % 3; every 10th value is null.
"""

import pytest

FIRST = "request_id % 1000"


@pytest.mark.parametrize(
    ("sql", "expectation", "count"),
    [
        (f"update t set ts = null where {FIRST} = 1", "ts_not_null", 1),
        (f"update t set surface = null where {FIRST} = 1", "surface_not_null", 1),
        (f"update t set surface = 'feed' where {FIRST} = 0", "surface_known", 1),
        (f"insert into t from t where {FIRST} in (3, 4)", "request_id_unique", 2),
        (f"update t set ts = ts - interval 1 day where {FIRST} < 3", "ts_inside_the_day", 3),
        (f"update t set ts = timestamp '2026-01-03' where {FIRST} = 1", "ts_inside_the_day", 1),
        (f"update t set user_activity = '-inf' where {FIRST} = 1", "numbers_finite", 1),
        (f"update t set user_vector = user_vector[1:15] where {FIRST} < 2", "vectors_whole", 2),
        (
            f"update t set user_vector = list_concat(['nan'::float], user_vector[2:16]) where {FIRST} = 1",
            "vectors_whole",
            1,
        ),
        (
            f"update t set user_vector = list_concat(user_vector[1:15], [null]) where {FIRST} = 1",
            "vectors_whole",
            1,
        ),
        (
            f"update t set user_vector = list_concat([3e38::float], user_vector[2:16]) where {FIRST} = 1",
            "vectors_whole",
            1,
        ),
        (f"update t set country = repeat('a', 1025) where {FIRST} < 2", "categories_short", 2),
        (f"update t set history_length = 1 where {FIRST} = 1", "features_null_where_lacking", 1),
        ("update t set country = null where surface = 'search'", "null_rates_steady", 1),
        ("update t set user_ctr_30d = 'nan', device = null", "null_rates_steady", 6),
        ("update t set user_vector = null where surface = 'related_pin'", "null_rates_steady", 1),
    ],
)
def test_damage_fails_its_expectation(logs, yesterday, sql: str, expectation: str, count: int) -> None:
    logs.damage("requests", sql)
    assert logs.failing(yesterday) == {f"requests.{expectation}": count}


def test_missing_request_id_is_found(logs, yesterday) -> None:
    logs.damage("requests", f"update t set request_id = null where {FIRST} = 1")
    assert logs.failing(yesterday) == {
        "requests.request_id_not_null": 1,
        "candidates.request_exists": 6,
    }


def test_request_ids_of_the_day_before_are_found(logs, yesterday) -> None:
    for table in ("requests", "candidates"):
        logs.damage(table, f"update t set request_id = request_id - 1000 where {FIRST} < 4")
    assert logs.failing(yesterday) == {"requests.request_ids_new": 4}


def test_a_number_whose_square_is_beyond_a_float32_is_found(logs, yesterday) -> None:
    logs.damage("requests", f"update t set user_activity = 3e38 where {FIRST} = 1")
    assert logs.failing(yesterday) == {"requests.numbers_finite": 1, "requests.magnitudes_as_usual": 1}


def test_a_category_of_two_million_characters_stops_the_day_and_its_feature_is_named(logs, yesterday) -> None:
    logs.damage("requests", f"update t set country = repeat('a', 2000000) where {FIRST} = 1")
    assert logs.failing(yesterday) == {"requests.categories_bounded": 1, "requests.categories_short": 1}
    (failure,) = logs.validate(yesterday).failures
    assert failure.samples[0]["features"] == "country"


def test_categories_of_as_many_characters_as_allowed_pass(logs, yesterday) -> None:
    logs.damage("requests", f"update t set country = repeat('ä', 1024) where {FIRST} = 1")
    assert logs.failing(yesterday) == {}
