"""Tables that fit the UI: at most six columns, at most 720 px, nothing lost."""

from mtmd.evaluate.report import Estimate
from mtmd.report.markdown.fitting import fitted
from mtmd.report.tables.evaluation import Column, Table, columns_of


def _table(*columns: Column, rows: tuple[tuple[object, ...], ...]) -> Table:
    return Table(title="Title", columns=columns, rows=rows)


def test_a_narrow_table_stays_one() -> None:
    table = _table(*columns_of("text", ("a",)), *columns_of("number", ("b",)), rows=(("x|y", -0.5),))
    assert fitted(table) == "**Title**\n\n| a | b |\n| :-- | --: |\n| x\\|y | −0.5000 |\n"


def test_an_interval_stands_below_its_value_and_an_exponent_keeps_its_sign() -> None:
    table = _table(
        *columns_of("text", ("a",)),
        Column(name="b", kind="estimate"),
        *columns_of("number", ("c",)),
        rows=(("x", Estimate(value=-0.0839, low=-0.3536, high=0.1308), "2.1e-07"),),
    )
    assert "| x | −8.39%<br>[−35.36, 13.08] | 2.1e-07 |" in fitted(table)


def test_columns_that_name_a_row_are_joined_and_repeated_in_every_part() -> None:
    names = tuple(f"value {n}" for n in range(12))
    table = _table(
        *columns_of("text", ("surface", "task")),
        *columns_of("count", names),
        rows=(("search", "ctr", *range(12)),),
    )
    parts = fitted(table, keys=2).split("**continued**")
    assert [part.count("| search × ctr |") for part in parts] == [1, 1, 1]
    assert [part.split("\n")[2].count(" |") - 1 for part in parts] == [4, 4, 4]  # not five, five and two
    assert [name for part in parts for name in names if f"| {name} |" in part.replace(" | ", " |  | ")] == [
        *names
    ]
    assert all(part.splitlines()[2].count("|") <= 7 for part in parts)


def test_names_of_rows_are_broken_only_where_that_saves_a_part() -> None:
    name = "related_pin × shopping × gctr"  # 29 characters: 239 px of 720
    narrow = _table(*columns_of("text", ("slice",)), *columns_of("count", ("a",)), rows=((name, 1),))
    assert f"| {name} |" in fitted(narrow)
    wide = _table(
        *columns_of("text", ("slice",)),
        *columns_of("estimate", ("a", "b", "c", "d")),
        rows=((name, *[Estimate(value=0.1, low=-0.1, high=0.1)] * 4),),
    )
    assert f"| {name} |" in fitted(wide)
    # 14 characters, 128 px: 749 px, or 697 px broken
    longer = Estimate(value=-0.091, low=-0.0934, high=-0.09)
    broken = fitted(wide.model_copy(update={"rows": ((name, *[longer] * 4),)}))
    assert "| related_pin × shopping<br>× gctr |" in broken
    assert "continued" not in broken


def test_a_long_word_is_not_broken() -> None:
    table = _table(
        *columns_of("text", ("a", "b")), rows=(("x", "20260125-d964799069-20260125-d964799069 y"),)
    )
    assert "| 20260125-d964799069-20260125-d964799069<br>y |" in fitted(table)


def test_a_table_without_rows_has_its_head() -> None:
    assert "| a | b |" in fitted(_table(*columns_of("text", ("a", "b")), rows=()))
