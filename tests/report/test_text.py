"""Words and numbers as people read them, and other people's words in Markdown."""

from pathlib import Path

import pytest

from mtmd.report.tables import block, enumerated, number, plain, report_url, short, time_words


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
        ("+ x", r"\+ x"),
        ("> x", r"\> x"),
        ("1. x", r"1\. x"),
        ("12) x", r"12\) x"),
        ("3.7 % of 4. x", "3.7 % of 4. x"),
        ("`code` and **bold** and \\", r"\`code\` and \*\*bold\*\* and \\"),
    ],
)
def test_words_of_others_are_no_markup(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_no_text_ends_the_block_that_it_is_in() -> None:
    assert block("an error") == "```\nan error\n```"
    assert block("a\n```\n# b") == "````\na\n```\n# b\n````"
    assert block("a `````") == "``````\na `````\n``````"


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
    assert (short("a" * 9, 9), short("a" * 10, 9), short(None, 9)) == ("a" * 9, "a" * 8 + "…", "–")
