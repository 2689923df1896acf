"""Tables: how values are written, and how Markdown fits a file or Prefect's UI."""

import pytest

from mtmd.evaluate.report import Estimate
from mtmd.report.tables import Cell, Column, Table, columns_of, is_sure

_GAIN = Estimate(value=-0.0839, low=-0.3536, high=0.1308)


def _table(*columns: Column, rows: tuple[tuple[Cell, ...], ...], keys: int = 1) -> Table:
    return Table(title="Title", columns=columns, rows=rows, keys=keys)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "x", "x"),
        ("count", 12_345, "12,345"),
        ("number", -0.5, "−0.5000"),
        ("percent", 0.0123, "+1.23%"),
        ("share", 0.5, "50.00%"),
        ("estimate", _GAIN, "−8.39% [−35.36, 13.08]"),
        ("number", None, "–"),
    ],
)
def test_a_column_says_how_its_values_are_written(kind: str, value: Cell, text: str) -> None:
    assert Column.model_validate({"name": "a", "kind": kind}).text(value) == text


def test_markdown_can_be_read_as_text_too() -> None:
    table = _table(*columns_of("text", ("a",)), *columns_of("number", ("b",)), rows=(("x|y <b>", -0.5),))
    assert table.markdown() == (
        "**Title**\n\n| a           |       b |\n| :---------- | ------: |\n| x\\|y &lt;b> | −0.5000 |\n"
    )
    assert table.model_copy(update={"title": ""}).markdown().startswith("| a ")
    assert table.records() == [{"a": "x|y <b>", "b": -0.5}]


def test_in_prefects_ui_an_interval_stands_below_its_value() -> None:
    columns = (*columns_of("text", ("a",)), Column(name="b", kind="estimate"), *columns_of("number", ("c",)))
    table = _table(*columns, rows=(("x", _GAIN, "2.1e-07"),))
    assert "| x | −8.39%<br>[−35.36, 13.08] | 2.1e-07 |" in table.markdown(narrow=True)


def test_a_wide_table_is_shown_in_parts_that_each_name_the_row() -> None:
    names = tuple(f"value {n}" for n in range(12))
    columns = (*columns_of("text", ("surface", "task")), *columns_of("count", names))
    table = _table(*columns, rows=(("search", "ctr", *range(12)),), keys=2)
    parts = table.markdown(narrow=True).split("**continued**")
    assert len(parts) > 1
    assert [part.count("| search × ctr |") for part in parts] == [1] * len(parts)
    assert [name for part in parts for name in names if f"{name} |" in part.replace("<br>", " ")] == [*names]


def test_an_estimate_is_sure_and_shaded_by_its_size() -> None:
    half, whole = Estimate(value=-0.05, low=-0.06, high=-0.04), Estimate(value=0.1)
    table = _table(*columns_of("estimate", ("a", "b")), rows=((half, whole),))
    assert [table.shade(one) for one in (half, whole, None, "text")] == [-0.5, 1.0, 0.0, 0.0]
    assert [is_sure(one) for one in (half, whole, _GAIN, "text")] == [True, False, False, False]
