"""Verdicts, and the page that says them."""

from datetime import date
from pathlib import Path

import pytest

from mtmd.evaluate.report import Estimate
from mtmd.extras.backtest.measures import ROWS, SLICES, OverDays
from mtmd.extras.backtest.report import Backtest, Result, Verdict, document, verdict_of, wait_of
from mtmd.report.document import markdown, page
from tests.browser import installed, opened
from tests.looks import in_every_view

UP, DOWN, LEVEL = (OverDays(mean, 0.1, 0.2) for mean in (0.2, -0.2, 0.05))  # of errors: up is worse


@pytest.mark.parametrize(
    ("rows", "slices", "verdict", "days"),
    [
        (DOWN, DOWN, "better", 7),
        (UP, UP, "worse", 7),
        (DOWN, UP, "not distinguishable", None),
        (UP, LEVEL, "not distinguishable", 64),
        (DOWN, LEVEL, "not distinguishable", None),
    ],
)
def test_a_verdict_needs_rows_and_slices(
    rows: OverDays, slices: OverDays, verdict: Verdict, days: int | None
) -> None:
    """By hand: 2.447 · 0.2 / √7 = 0.185 is below 0.2, and 1.998 · 0.2 / √64 = 0.04996 below 0.05."""
    assert verdict_of([rows, slices]) == verdict
    assert wait_of([rows, slices], 3) == days
    assert wait_of([rows, slices], 1) is None


def found(days: int, verdict: Verdict, wait: int | None) -> Backtest:
    figures = {name: tuple(0.3 + day / 100 for day in range(days)) for name in (ROWS, SLICES, "LogMAE ctr")}
    gain = Estimate(value=-0.02, low=-0.05, high=0.01)
    first = Result(
        name="demo", words="preset demo", seeds=(0, 1), window_days=28, figures=figures, seconds=(60.0,) * days,
        gains={}, by_day={}, verdict=None, days_to_decide=None,
    )  # fmt: skip
    compared = {
        "name": "small",
        "words": "preset demo with model.expert_widths=[64]",
        "gains": dict.fromkeys(figures, gain),
        "by_day": dict.fromkeys((ROWS, SLICES), (gain,) * days),
        "verdict": verdict,
        "days_to_decide": wait,
    }
    held_out = tuple(date(2026, 1, 1 + day) for day in range(days))
    results = (first, first.model_copy(update=compared))
    return Backtest(
        preset="demo", logs="logs/demo", days=held_out, rows=(900,) * days, confidence=0.95, results=results
    )


@pytest.mark.parametrize(
    ("days", "verdict", "wait", "said"),
    [
        (3, "better", None, "over slices −2.00% (−5.00, 1.00)\n"),
        (3, "not distinguishable", 9, "; 9 days would decide, if they differ as these do\n"),
        (3, "not distinguishable", None, "can't be known: these days show no such difference\n"),
        (1, "not distinguishable", None, "can't be known: one day does not tell how much days vary\n"),
        (1, "worse", None, "; on this day alone\n"),
    ],
)
def test_the_page_says_what_these_days_can_tell(
    days: int, verdict: Verdict, wait: int | None, said: str
) -> None:
    text = markdown(document(found(days, verdict, wait)), pictures=False)
    assert f"**small: {verdict}**: LogMAE over rows −2.00% (−5.00, 1.00) and" in text
    assert said in text
    assert ("One day: intervals are over its requests alone" in text) is (days == 1)
    assert "| demo       |       0." in text


def test_a_contestant_alone_has_figures_and_nothing_that_compares() -> None:
    both = found(3, "better", None)
    text = markdown(document(both.model_copy(update={"results": both.results[:1]})))
    assert [text.count(words) for words in ("| demo ", "| day", "###", "](data:image")] == [1, 0, 1, 2]


@pytest.mark.skipif(installed() is None, reason="no chromium on this machine")
def test_the_page_fits_every_screen(tmp_path: Path) -> None:
    program, place = installed(), tmp_path / "report.html"
    place.write_text(page(document(found(7, "better", None))))
    assert program is not None
    with opened(program, tmp_path) as browser:
        browser.page.goto(place.as_uri())
        assert list(in_every_view(browser, "backtest")) == []
