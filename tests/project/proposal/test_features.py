"""What a column is to a tower."""

from pathlib import Path

from mtmd.extract.database import session
from mtmd.project.proposal.features import ProposedFeature, find_features, id_feature
from mtmd.project.proposal.roles import Domain
from tests.project.proposal.looked import looked

N = 200
COLUMNS = {
    "place": f"[if(n % 2 = 1, 'a', 'b') for n in range({N})]",
    "Country": f"['c' || n % 5 for n in range({N})]",
    "session": f"['s' || n for n in range({N})]",
    "hour": f"[n % 24 for n in range({N})]",
    "shopId": f"[cast(n // 2 as bigint) for n in range({N})]",
    "saves": f"[n * 7 for n in range({N})]",
    "spend": f"[cast(n * 100003 as bigint) for n in range({N})]",
    "ctr": f"[n / {N} for n in range({N})]",
    "price": f"[case when n % 2 = 1 then n * 1.5e0 end for n in range({N})]",
    "fresh": f"[n % 3 = 0 for n in range({N})]",
    "vector": f"[[1.5::float, n] for n in range({N})]",
    "topics": f"[case when n % 9 > 0 then [(n % 4)::integer, 1] else [] end for n in range({N})]",
    "marks": f"[[(n % 4)::uinteger] for n in range({N})]",
    "tags": f"[['t' || n % 4] for n in range({N})]",
    "seen": f"[['a', null], ['b']] || [['c'] for n in range({N - 2})]",
    "gaps": f"[[1.5::float, null], [2.5::float, 'nan']] || [[n::float, 1] for n in range({N - 2})]",
    "region_id": f"[if(n = 0, 'nan'::double, n % 5) for n in range({N})]",
    "uneven": f"[case when n = 0 then [1.5::float] else [2.5::float, 1] end for n in range({N})]",
    "nested": f"[[[1.5::float], [n]] for n in range({N})]",
    "hollow": f"[[]::varchar[] for n in range({N})]",
    "nothing": f"[null::integer for n in range({N})]",
    "version": f"[1 for n in range({N})]",
    "logged": f"[n for n in range({N})]",
    "born": f"[date '2026-01-01' + n::integer for n in range({N})]",
}


def test_columns_become_the_features_that_they_look_like(tmp_path: Path) -> None:
    with session(tmp_path / "spill", [tmp_path]) as connection:
        table = looked(connection, tmp_path, "requests", COLUMNS)
        distinct = {name: look.distinct for name, look in table.columns.items()} | {
            "topics": 4,
            "marks": 4,
            "tags": 4,
            "seen": 3,
        }
        found = find_features(
            connection, "query", table, {"place"}, Domain.of(table.columns["place"], ""), distinct, {"logged"}
        )
    assert {feature.name: dict(feature.settings) for feature in found.features} == {
        "country": {"kind": '"categorical"', "buckets": "64", "shallow": "true"},
        "hour": {"kind": '"categorical"', "buckets": "220", "type": '"BIGINT"', "shallow": "true"},
        "shop_id": {"kind": '"categorical"', "buckets": "950", "type": '"BIGINT"'},
        "saves": {"kind": '"continuous"', "log1p": "true"},
        "spend": {"kind": '"continuous"', "type": '"DOUBLE"', "log1p": "true"},
        "ctr": {"kind": '"continuous"'},
        "price": {"kind": '"continuous"', "log1p": "true", "domains": '["a"]'},
        "fresh": {"kind": '"categorical"', "buckets": "64", "type": '"INTEGER"', "shallow": "true"},
        "vector": {"kind": '"embedding"', "width": "2"},
        "topics": {
            "kind": '"categorical"', "multi": "true", "max_length": "2", "buckets": "64", "type": '"BIGINT"',
        },
        "marks": {
            "kind": '"categorical"', "multi": "true", "max_length": "1", "buckets": "64", "type": '"BIGINT"',
        },
        "tags": {"kind": '"categorical"', "multi": "true", "max_length": "1", "buckets": "64"},
        "seen": {"kind": '"categorical"', "multi": "true", "max_length": "2", "buckets": "64"},
        "gaps": {"kind": '"embedding"', "width": "2"},
        "region_id": {"kind": '"categorical"', "buckets": "64", "type": '"BIGINT"', "shallow": "true"},
    }  # fmt: skip
    assert found.left_out == {
        "logged": "times, of which no feature is made",
        "session": "another value in every row",
        "uneven": "FLOAT[] of different lengths, of which no feature is made",
        "nested": "FLOAT[][], of which no feature is made",
        "hollow": "an empty list in every row",
        "nothing": "null in every row",
        "version": "the same value in every row",
        "born": "DATE, of which no feature is made",
    }
    sql = {feature.name: feature.sql for feature in found.features}
    assert sql["shop_id"] == '"shopId" as shop_id'
    assert sql["fresh"] == "cast(fresh as integer) as fresh"
    assert sql["topics"] == "cast(topics as bigint[]) as topics"
    assert sql["marks"] == "cast(marks as bigint[]) as marks"
    assert sql["ctr"] == "ctr"
    assert sql["region_id"] == "try_cast(region_id as bigint) as region_id"
    assert sql["seen"] == "list_filter(seen, lambda value: value is not null) as seen"
    assert sql["gaps"] == (
        "case when list_bool_and([coalesce(isfinite(value), false) for value in gaps]) then gaps end as gaps"
    )


def test_a_column_with_one_value_a_day_is_a_feature_if_the_value_comes_again(tmp_path: Path) -> None:
    columns = {"weekday": f"[3 for n in range({N})]", "dt": f"['20260107' for n in range({N})]"}
    columns["odd_today"] = f"[7 for n in range({N})]"
    with session(tmp_path / "spill", [tmp_path]) as connection:
        table = looked(connection, tmp_path, "requests", columns)
        of_days = {"weekday": 7, "dt": 8, "odd_today": 1000}
        found = find_features(connection, "query", table, set(), Domain.of(None, "all"), of_days, days=8)
    assert [(feature.name, feature.settings["kind"]) for feature in found.features] == [
        ("weekday", '"categorical"')
    ]
    assert found.left_out == {
        "dt": "one value a day, which no other day has",
        "odd_today": "the same value in every row of the newest day",
    }


def test_a_surface_has_what_it_had_on_another_day(tmp_path: Path) -> None:
    columns = {
        "place": f"[['a', 'b', 'c'][1 + n % 3] for n in range({N})]",
        "term": f"[case when n % 3 = 0 then 't' || n % 7 end for n in range({N})]",
    }
    before = columns | {"term": f"[case when n % 3 = 0 or n = 1 then 't' || n % 7 end for n in range({N})]"}
    with session(tmp_path / "spill", [tmp_path]) as connection:
        table = looked(connection, tmp_path, "requests", columns)
        table = table.with_values_of(looked(connection, tmp_path, "requests_of_days", before))
        place = Domain.of(table.columns["place"], "")
        (found,) = find_features(connection, "query", table, {"place"}, place, {"term": 7}, days=8).features
    assert found.settings["domains"] == '["a", "b"]'


def test_a_mark_that_is_one_value_or_null_is_a_feature(tmp_path: Path) -> None:
    columns = {
        "member": f"[case when n % 4 = 0 then 'yes' end for n in range({N})]",
        "boost": f"[case when n % 4 = 0 then 1.5::float end for n in range({N})]",
    }
    with session(tmp_path / "spill", [tmp_path]) as connection:
        table = looked(connection, tmp_path, "requests", columns)
        once = {"member": 1, "boost": 1}
        found = find_features(connection, "query", table, set(), Domain.of(None, "all"), once, days=8)
    assert [(feature.name, feature.settings["kind"]) for feature in found.features] == [
        ("member", '"categorical"')
    ]
    assert found.left_out == {"boost": "the same number wherever there is one"}


def test_a_side_without_a_small_category_marks_its_smallest(tmp_path: Path) -> None:
    columns = {"shop_id": f"[n // 2 for n in range({N})]", "user_code": f"[n for n in range({N})]"}
    with session(tmp_path / "spill", [tmp_path]) as connection:
        table = looked(connection, tmp_path, "ads", columns)
        found = find_features(
            connection, "item", table, set(), Domain.of(None, "any_ad"), {"shop_id": 100, "user_code": 200}
        )
    assert ["shallow" in feature.settings for feature in found.features] == [True, False]


def test_an_id_is_a_category_with_room_for_more() -> None:
    small = ProposedFeature("country", "item", {"buckets": "64", "shallow": "true"}, "country")
    assert dict(id_feature("ad_id", "item", "UUID", 100, [small]).settings) == {
        "kind": '"categorical"',
        "buckets": "950",
        "type": '"UUID"',
    }
    alone = id_feature("user_id", "query", "VARCHAR", 3, [])  # each side needs a shallow feature
    assert alone.settings["shallow"] == "true"
    assert "type" not in alone.settings
