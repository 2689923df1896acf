"""Comparing declared columns with a file's."""

from mtmd.validate.results import SAMPLES, Status, compare_schema

DECLARED = {"a": "FLOAT", "b": "FLOAT", "c": "BIGINT"}


def test_same_columns_in_another_order_pass() -> None:
    result = compare_schema("ads", DECLARED, {"f": {"c": "BIGINT", "b": "FLOAT", "a": "FLOAT"}})
    assert (result.status, result.unexpected, result.column) == (Status.PASSED, 0, None)


def test_another_case_is_another_column() -> None:
    result = compare_schema("ads", DECLARED, {"f": {"A": "FLOAT", "b": "FLOAT", "c": "BIGINT"}})
    assert [s["problem"] for s in result.samples] == [
        "missing; A of the same type FLOAT is there instead: renamed?"
    ]


def test_two_candidates_for_a_renaming_are_not_guessed_between() -> None:
    result = compare_schema("ads", DECLARED, {"f": {"x": "FLOAT", "c": "BIGINT"}})
    assert [(s["column"], s["problem"]) for s in result.samples] == [
        ("a", "missing; must be FLOAT"),
        ("b", "missing; must be FLOAT"),
        ("x", "not declared; is FLOAT"),
    ]


def test_every_problem_is_counted_and_some_are_shown() -> None:
    result = compare_schema("ads", DECLARED, {f"f{i}": {} for i in range(10)})
    assert (result.unexpected, len(result.samples), result.column) == (30, SAMPLES, "a, b, c")
