"""Comparing declared columns with a file's, as a validation has it: tests/logs/test_columns.py has the words."""

from mtmd.validate.results import SAMPLES, Status, compare_schema

DECLARED = {"a": "FLOAT", "b": "FLOAT", "c": "BIGINT"}


def test_the_declared_columns_pass_without_a_word() -> None:
    result = compare_schema("ads", DECLARED, {"f": {"c": "BIGINT", "b": "FLOAT", "a": "FLOAT"}})
    assert (result.status, result.unexpected, result.column) == (Status.PASSED, 0, None)
    assert result.message is None


def test_casts_are_told_once_whatever_the_number_of_files() -> None:
    found = {"a": "DOUBLE", "b": "FLOAT", "c": "INTEGER"}
    result = compare_schema("ads", DECLARED, {"f": found, "g": found})
    assert (result.status, result.observed) == (Status.PASSED, 0)
    assert result.message == "read with a cast: a (DOUBLE as FLOAT), c (INTEGER as BIGINT)"


def test_every_problem_is_counted_and_some_are_shown() -> None:
    result = compare_schema("ads", DECLARED, {f"f{i}": {} for i in range(10)})
    assert (result.unexpected, len(result.samples), result.column) == (30, SAMPLES, "a, b, c")
    assert result.samples[0] == {"file": "f0", "column": "a", "problem": "missing; must be FLOAT"}


def test_optional_columns_may_be_missing() -> None:
    result = compare_schema("ads", DECLARED, {"f": {"c": "BIGINT"}}, frozenset({"a", "b"}))
    assert (result.status, result.message) == (Status.PASSED, None)
