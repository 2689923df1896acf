"""Ids that join the tables: in any type, as one type in both; and what is said where they do not join."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.extract.database import session
from mtmd.project.engine import Connection, rows
from mtmd.project.proposal.keys import Key, find_key, id_sql, id_type
from mtmd.project.proposal.looks import look_at
from tests.project.proposal.looked import looked

UUIDS = [f"0000000a-0000-4000-8000-00000000000{n}" for n in range(4)]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with session(tmp_path / "spill", [tmp_path]) as opened:
        yield opened


def _key(connection: Connection, folder: Path, ads: dict[str, str], candidates: dict[str, str]) -> Key:
    table, pairs = (
        looked(connection, folder, name, columns)
        for name, columns in (("ads", ads), ("candidates", candidates))
    )
    return find_key(connection, "ad", table, pairs, frozenset())


@pytest.mark.parametrize(
    ("own", "other", "kind", "own_sql", "other_sql"),
    [
        ("[1, 2, 3]", "[1, 1, 3]", "BIGINT", "id as ad_id", "ad as ad_id"),
        ("[1, 2, 3]", "[1e0, 1, 3]", "BIGINT", "id as ad_id", "cast(ad as bigint) as ad_id"),
        ("[1e0, 2, 3]", "[1e0, 1, 'nan']", "BIGINT", "cast(id as bigint) as ad_id", "try_cast(ad as bigint) as ad_id"),
        ("[1, 2, 3]", "['1', '1', '3']", "VARCHAR", "cast(id as varchar) as ad_id", "ad as ad_id"),
        ("['1', '2']", "[1e0, 1, 2]", "VARCHAR", "id as ad_id", "cast(cast(ad as bigint) as varchar) as ad_id"),
        ("[1::ubigint, 2]", "[1, 1, 2]", "VARCHAR", "cast(id as varchar) as ad_id", "cast(ad as varchar) as ad_id"),
        (f"{UUIDS}", f"[upper(x) for x in {[*UUIDS, UUIDS[0]]}]", "UUID", "id as ad_id", "ad as ad_id"),
        (f"[x::uuid for x in {UUIDS}]", f"[upper(x) for x in {[*UUIDS, UUIDS[0]]}]", "UUID", "id as ad_id",
         "ad as ad_id"),
    ],
)  # fmt: skip
def test_two_columns_are_one_id_whatever_their_types(
    connection: Connection, tmp_path: Path, own: str, other: str, kind: str, own_sql: str, other_sql: str
) -> None:
    key = _key(connection, tmp_path, {"id": own}, {"ad": other})
    assert key.kind == kind
    assert id_sql(key.own, kind, "ad_id") == own_sql
    assert id_sql(key.other, kind, "ad_id") == other_sql


def test_ids_in_csv_files_may_be_beyond_bigint(connection: Connection, tmp_path: Path) -> None:
    largest = 2**64 - 1
    (tmp_path / "ads.csv").write_text(f"id,bid\n{largest},0.5\n{largest - 1},0.5\n7,0.25\n")
    (tmp_path / "pairs.csv").write_text(f"ad,p\n{largest},0.5\n{largest},0.25\n7,0.125\n")
    table, pairs = (look_at(connection, name, [tmp_path / f"{name}.csv"]) for name in ("ads", "pairs"))
    key = find_key(connection, "ad", table, pairs, frozenset())
    assert (key.own.type, key.kind, id_type(key.own)) == ("HUGEINT", "VARCHAR", "VARCHAR")
    assert id_sql(key.own, key.kind, "ad_id") == "cast(id as varchar) as ad_id"


def test_a_users_id_may_be_a_fraction_in_the_files(connection: Connection, tmp_path: Path) -> None:
    """As pandas writes whole numbers with gaps."""
    columns = {"user": "[7e0, null, 8]", "age": "[7.5, null, 8]", "far": "[1e18::double, 2, 3]"}
    looks = looked(connection, tmp_path, "requests", columns).columns
    # 1e18 stands for many whole numbers
    assert [looks[name].is_key for name in columns] == [True, False, False]
    assert id_type(looks["user"]) == "BIGINT"
    assert id_sql(looks["user"], "BIGINT", "user_id") == "cast(user as bigint) as user_id"


@pytest.mark.parametrize(
    ("largest", "is_key"), [("9223372036854775807", True), ("9223372036854775808", False)]
)
def test_an_id_may_be_a_decimal_without_a_fraction(
    connection: Connection, tmp_path: Path, largest: str, is_key: bool
) -> None:
    """As some warehouses write every whole number; a double would round it."""
    ids = f"[7, {largest}, {largest} - 1]::decimal(38, 0)[]"
    look = looked(connection, tmp_path, "ads", {"id": ids}).columns["id"]
    assert look.is_key is is_key
    if is_key:
        assert id_type(look) == "BIGINT"
        read = f"select max(ad_id) as most from (select {id_sql(look, 'BIGINT', 'ad_id')} from ads)"
        assert rows(connection, read) == [{"most": int(largest)}]


def test_what_other_days_hold_counts_too(connection: Connection, tmp_path: Path) -> None:
    """A day without gaps has whole numbers, and lists without nulls; the other days of the window do not."""
    newest = looked(
        connection, tmp_path, "requests", {"user": "[7, 8]", "seen": "[['a'], ['b']]", "age": "[1, 2]"}
    )
    before = {"user": "[7, null]::double[]", "seen": "[['a', null], null]", "age": "[1.5e0, 2]"}
    looks = newest.with_values_of(looked(connection, tmp_path, "requests_of_days", before)).columns
    assert id_sql(looks["user"], "BIGINT", "user_id") == "cast(user as bigint) as user_id"
    assert looks["seen"].has_holes
    assert looks["age"].is_whole


def test_names_decide_where_several_columns_hold_the_same_values(
    connection: Connection, tmp_path: Path
) -> None:
    ads = {"row": "[0, 1, 2]", "ad_id": "['0', '1', '2']"}
    key = _key(connection, tmp_path, ads, {"place": "[0, 1, 0, 1]", "ad_id": "[0, 0, 1, 2]"})
    assert (key.own.name, key.in_candidates, key.kind) == ("ad_id", "ad_id", "VARCHAR")


@pytest.mark.parametrize(
    ("ads", "candidates", "said"),
    [
        ({"ad": "[1, 2, 2, null]"}, {"ad": "[1, 2, 1]"},
         r"ads: ad has the ids of candidates\.ad, but must have each in one row: 4 rows have 2 ids \('2' is in 2 "
         r"rows\) and 1 nulls; deliver one row for each ad"),
        ({"ad": "['a', 'b', null]"}, {"ad": "['a', 'b', 'a']"}, r"3 rows have 2 ids and 1 nulls; deliver one row"),
        ({"ad": "['a', 'b']"}, {"ad": "[null::varchar, null]"},
         "candidates: ad is null in all 2 rows; deliver the ad's id in it"),
        ({"ad": "[null::varchar, null]"}, {"ad": "['a', 'b']"}, "ads: ad is null in all 2 rows"),
        ({"ad": "['A1', 'B2']"}, {"ad_id": "['a1', 'b2', 'a1']"},
         r"ads\.ad \(VARCHAR\) and candidates\.ad_id \(VARCHAR\) have the ad's id in upper and lower case: "
         "'A1' is 'a1'; deliver one id as one text or number in both"),
        ({"ad": "[7, 8]"}, {"ad": "['007', '008', '007']"}, "with and without leading zeros: '7' is '007'"),
        ({"ad": "['7', '8']"}, {"ad": "['7 ', '8', '7 ']"}, "with and without spaces around it: '7' is '7 '"),
        ({"ad": "['7', '8']"}, {"ad": "['7.0', '8.0', '7.0']"}, "as a whole number and as a fraction: '7' is '7.0'"),
        ({"ad": "['A-7', 'A-8']"}, {"ad": "['a7', 'a8', 'a7']"}, "in two ways: 'A-7' is 'a7'"),
        ({"ad": "['A', 'B']"}, {"ad": "['A', 'a', 'B', 'B']"}, "in upper and lower case: 'A' is 'a'"),
        ({"ad": "[1, 2, 3]"}, {"ad": "[3, 4, 5, 4]"},
         r"have 33% of the ids of candidates in common; at least 90% are required \('4' is not in ads, which has "
         r"'1'\): deliver the ads of the same day"),
        ({"ad": "[1, 2]"}, {"creative": "[1, 2]"}, "have the same ids, each in one row of candidates.*give both "
         "columns one name if they are the ad's id"),
        ({"name": "['a', 'b']", "bid": "[0.5]"}, {"p": "[0.5]", "shown": "[1]"},
         "ads: no column is the ad's id: none of name VARCHAR, bid DECIMAL.* has the name and the values of one of "
         "shown INTEGER of candidates"),
        ({"ad": "['a', 'b']"}, {"p": "[0.5]"}, r"none of ad VARCHAR has .* of one of p DECIMAL\(2,1\) of candidates"),
    ],
)  # fmt: skip
def test_each_cause_of_ids_that_do_not_join_is_said(
    connection: Connection, tmp_path: Path, ads: dict[str, str], candidates: dict[str, str], said: str
) -> None:
    with pytest.raises(LogsError, match=said):
        _key(connection, tmp_path, ads, candidates)
