"""Whatever makes a page hard to read is told: each kind of fault is planted once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, installed, opened
from tests.looks import faults

PROGRAM = installed()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")

_LONG = "a text that is longer than its box " * 3
_BOX = "width: 100px; white-space: nowrap;"
FAULTS = {
    "page": (f"<p style='width: 1500px'>{_LONG}</p>", "scrolls: the page is 15"),
    "cut": (f"<p style='{_BOX} overflow: hidden'>{_LONG}</p>", "cut off: p"),
    "scroller": (f"<div style='{_BOX} overflow: auto'>{_LONG}</div>", "scrolls: div"),
    "out": (f"<p style='{_BOX}'>{_LONG}</p>", "sticks out: p"),
    "lie": ("<p>one</p><p style='margin-top: -32px'>other</p>", "overlaps: p"),
    "below another": ("<p>one</p><div style='height: 40px; margin-top: -40px; background: #ddd; position: relative'>"
                      "</div>", "covered: p"),
    "faint": ("<p style='color: #888'>3.54</p>", "has a contrast of 3.54"),
    "on a shape": ("<svg><rect width=99 height=40 fill='#333'/><text x=9 y=20>black</text></svg>", "faint: text"),
    "tiny": ("<svg width=90 height=20 viewBox='0 0 180 40'><text x=9 y=20 font-size=12>x</text></svg>", "6.0 px"),
    "broken": ("<img src='nothing.png' alt='a chart' width=9 height=9>", "missing: img"),
}  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    with opened(PROGRAM, tmp_path_factory.mktemp("pictures")) as browser:
        yield browser


@pytest.mark.parametrize(("html", "told"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told(browser: Browser, tmp_path: Path, html: str, told: str) -> None:
    _show(browser, tmp_path, f"<table>{html}</table>" if html.startswith("<td") else html)
    found = faults(browser.page)
    assert [words for words in found if told in words], found


def _show(browser: Browser, place: Path, html: str) -> None:
    page = place / "page.html"
    page.write_text(f"<!doctype html><meta name=color-scheme content=light><body>{html}</body>")
    browser.page.goto(page.as_uri())
    browser.page.set_viewport_size({"width": 1280, "height": 900})
    browser.page.emulate_media(color_scheme="light")
