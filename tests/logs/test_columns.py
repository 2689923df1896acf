"""Comparing a file's columns with the declared ones: what is cast, and the words for what is not."""

import pytest

from mtmd.logs.contract import column_problems, select_declared

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
    ("UBIGINT", "BIGINT"),
    ("DOUBLE", "BIGINT"),
    ("HUGEINT", "FLOAT"),
    ("VARCHAR", "FLOAT"),
    ("INTEGER", "BOOLEAN"),
    ("BIGINT", "VARCHAR"),
    ("FLOAT[][]", "FLOAT[]"),
    ("INTEGER[]", "FLOAT[]"),
    ("DATE", "TIMESTAMP"),
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
    words = f"is {found}; must be {declared}"
    assert problems({"x": declared}, {"x": found}) == [("x", words)]


def test_another_case_is_another_column() -> None:
    assert problems(DECLARED, {"A": "FLOAT", "b": "FLOAT", "c": "BIGINT"}) == [
        ("a", "missing; must be FLOAT"),
        ("A", "not declared; is FLOAT"),
    ]
