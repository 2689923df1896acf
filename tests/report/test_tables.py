"""Words, numbers and tables as people read them, in a file and in Prefect's UI; other people's words in Markdown."""

from pathlib import Path

import pytest

from mtmd.evaluate.report import Estimate
from mtmd.report.tables import (
    Cell,
    Column,
    Link,
    Table,
    columns_of,
    enumerated,
    is_sure,
    number,
    plain,
    report_url,
    short,
    time_words,
    unescaped,
)

_GAIN = Estimate(value=-0.0839, low=-0.3536, high=0.1308)


def _table(*columns: Column, rows: tuple[tuple[Cell, ...], ...], keys: int = 1) -> Table:
    return Table(title="Title", columns=columns, rows=rows, key_columns=keys)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "x", "x"),
        ("count", 12_345, "12,345"),
        ("number", -0.5, "−0.5000"),
        ("estimate", _GAIN, "−8.39% [−35.36, 13.08]"),
        ("number", None, "–"),
        ("text", Link(text="x", url="y"), "x"),
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
    assert unescaped(table.markdown()).splitlines()[-1] == "| x|y <b>     | −0.5000 |"


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("home_feed × ctr fell by 3 %", "home_feed × ctr fell by 3 %"),
        ("two\n# lines", "two # lines"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("[here](http://evil) ![x](y)", r"\[here\](http://evil) !\[x\](y)"),
        ("Men&#39;s &lt;b&gt;, R&D; Tom & Jerry", "Men&amp;#39;s &amp;lt;b&amp;gt;, R&amp;D; Tom & Jerry"),
        ("a | b", r"a \| b"),
        ("# x", r"\# x"),
        ("- x", r"\- x"),
        ("1. x", r"1\. x"),
        ("3.7 % of 4. x", "3.7 % of 4. x"),
        ("`code` and **bold** and \\", r"\`code\` and \*\*bold\*\* and \\"),
    ],
)
def test_words_of_others_are_no_markup_and_a_terminal_shows_them_as_they_are(text: str, shown: str) -> None:
    assert plain(text) == shown
    assert unescaped(shown) == " ".join(text.split())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10.0, "10 s"), (59.6, "1 min 0 s"), (92.0, "1 min 32 s"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


def test_the_page_has_a_url_where_the_artifacts_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = str(tmp_path / "tiny" / "runs" / "2026-01-21-a b" / "report.html")
    monkeypatch.delenv("MTMD_REPORTS_URL", raising=False)
    assert report_url(tmp_path, page) is None
    monkeypatch.setenv("MTMD_REPORTS_URL", "http://host:4300/reports/")
    url = "http://host:4300/reports/tiny/runs/2026-01-21-a%20b/report.html"
    assert report_url(str(tmp_path), page) == url


def test_numbers_names_and_long_texts_are_written_alike() -> None:
    assert (number(None), number(-0.25), number(12_345, ",d")) == ("–", "−0.2500", "12,345")
    assert [enumerated(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "none", "a", "a and b", "a, b and c",
    ]  # fmt: skip
    assert (short("a" * 9, 9), short("a" * 10, 9)) == ("a" * 9, "a" * 8 + "…")
