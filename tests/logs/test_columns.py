"""Comparing a file's columns with the declared ones: what is cast, and the words for what is not."""

import duckdb
import pytest

from mtmd.logs.columns import column_problems, select_declared, text_as

DECLARED = {"a": "FLOAT", "b": "FLOAT", "c": "BIGINT"}

READ_WITH_A_CAST = [
    *((kind, "INTEGER") for kind in ("TINYINT", "UTINYINT", "SMALLINT", "USMALLINT")),
    *((kind, "BIGINT") for kind in ("TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER", "UINTEGER")),
    *((kind, "FLOAT") for kind in ("SMALLINT", "INTEGER", "UINTEGER", "BIGINT", "DOUBLE", "DECIMAL(18,3)")),
    *((kind, "DOUBLE") for kind in ("SMALLINT", "UINTEGER", "BIGINT", "FLOAT", "DECIMAL(18,3)")),
    *((kind, "TIMESTAMP") for kind in ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")),
    *((kind, "TIMESTAMP") for kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")),
    *((kind, "FLOAT[]") for kind in ("DOUBLE[]", "FLOAT[16]", "DOUBLE[16]")),
    ("ENUM('a', 'b')", "VARCHAR"),
    ("UUID", "VARCHAR"),
]
REFUSED = [
    ("BIGINT", "INTEGER"),
    ("UINTEGER", "INTEGER"),
    ("UBIGINT", "BIGINT"),
    ("DOUBLE", "BIGINT"),
    ("HUGEINT", "FLOAT"),
    ("VARCHAR", "FLOAT"),
    ("BOOLEAN", "FLOAT"),
    ("INTEGER", "BOOLEAN"),
    ("BIGINT", "VARCHAR"),
    ("UUID", "BIGINT"),
    ("FLOAT[][]", "FLOAT[]"),
    ("INTEGER[]", "FLOAT[]"),
    ("DATE", "TIMESTAMP"),
    ("DOUBLE", "TIMESTAMP"),
    ("BLOB", "VARCHAR"),
]


def problems(*of: object, **options: object) -> list[tuple[str, str]]:
    return [tuple(problem) for problem in column_problems(*of, **options)]


def test_the_declared_columns_in_another_order_have_no_problem_and_no_cast() -> None:
    found = {"c": "BIGINT", "b": "FLOAT", "a": "FLOAT"}
    assert problems(DECLARED, found) == []
    assert select_declared("ads", DECLARED, found) == '"a" as "a", "b" as "b", "c" as "c"'


@pytest.mark.parametrize(("found", "declared"), READ_WITH_A_CAST)
def test_a_type_without_values_beyond_the_declared_one_is_cast(found: str, declared: str) -> None:
    assert problems({"x": declared}, {"x": found}) == []


@pytest.mark.parametrize(("found", "declared"), REFUSED)
def test_every_other_type_is_a_problem_with_the_cast_that_mends_it(found: str, declared: str) -> None:
    words = f"is {found}; must be {declared}: cast(x as {declared})"
    assert problems({"x": declared}, {"x": found}) == [("x", words)]


def test_another_case_is_another_column() -> None:
    assert problems(DECLARED, {"A": "FLOAT", "b": "FLOAT", "c": "BIGINT"}) == [
        ("a", "missing; must be FLOAT"),
        ("A", "not declared; is FLOAT"),
    ]


def test_an_optional_column_may_be_missing_and_is_null_then() -> None:
    found = {"a": "FLOAT", "c": "BIGINT"}
    assert problems(DECLARED, found, optional=frozenset({"b"})) == []
    assert problems(DECLARED, found | {"b": "VARCHAR"}, optional=frozenset({"b"})) == [
        ("b", "is VARCHAR; must be FLOAT: cast(b as FLOAT)")
    ]
    assert select_declared("ads", DECLARED, found) == '"a" as "a", cast(null as FLOAT) as "b", "c" as "c"'


def test_undeclared_columns_pass_only_when_asked() -> None:
    found = DECLARED | {"newer": "BIGINT"}
    assert problems(DECLARED, found) == [("newer", "not declared; is BIGINT")]
    assert problems(DECLARED, found, ignore_undeclared=True) == []


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-25 00:12:07", "2026-01-25 00:12:07"),
        ("2026-01-25T00:12:07.5", "2026-01-25 00:12:07.5"),
        ("2026-01-25T00:12:07Z", "2026-01-25 00:12:07"),
        ("2026-01-25 00:12:07 UTC", "2026-01-25 00:12:07"),
        ("2026-01-25 00:12:07+01:00", "2026-01-24 23:12:07"),
        ("2026-01-25 00:12:07+0100", "2026-01-24 23:12:07"),
        ("2026-01-25 00:12+01:00", "2026-01-24 23:12:00"),
        ("2026-01-25 00:12:07+01:00:30", "2026-01-24 23:11:37"),
        ("2026-01-25 00:12:07 Europe/Berlin", "2026-01-24 23:12:07"),
        ("2026-01-25 00:12:07.5 America/New_York", "2026-01-25 05:12:07.5"),
        ("2026-01-25 00:12:07 CET", "2026-01-24 23:12:07"),
        ("2026-01-25 00:12:07 GMT+1", "2026-01-24 23:12:07"),
        ("2026-01-25 00:12:07 PM", None),
        ("2026-01-25 00:12:07 Berlin", None),
        ("2026-01-25 00:12:07+1", None),
        ("2026-01-25 00:12:07 +01", None),
    ],
)
def test_a_time_as_text_is_in_the_zone_that_it_names(text: str, utc: str | None) -> None:
    """A cast alone leaves zones out without a word; what has none that is known is an error."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        query = f"select cast({text_as('ts', 'TIMESTAMP')} as varchar) from (select ? as ts)"
        if utc is None:
            with pytest.raises(duckdb.Error):
                connection.execute(query, [text])
        else:
            assert connection.execute(query, [text]).fetchall() == [(utc,)]


@pytest.mark.parametrize("kind", ["INTEGER[]", "BIGINT[]"])
def test_a_list_of_whole_numbers_as_text_has_no_fractions(kind: str) -> None:
    """A cast alone rounds them."""
    texts = {
        "[1, -2]": [1, -2],
        '["7", "8"]': [7, 8],
        "[]": [],
        " [ ] ": [],
        "[null, 4]": [None, 4],
        "[NULL]": [None],
    }
    with duckdb.connect() as connection:
        query = f"select {text_as('ids', kind)} from (select ? as ids)"
        assert {text: connection.execute(query, [text]).fetchall()[0][0] for text in texts} == texts
        assert connection.execute(query, [None]).fetchall() == [(None,)]
        for wrong in ("[1,2.7]", "[0.5]", "[1e3]", "1", "[1"):
            with pytest.raises(duckdb.Error, match="no whole number"):
                connection.execute(query, [wrong])
