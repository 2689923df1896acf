"""Pages in a real browser: they fit a desktop and a phone, light and dark, folded and unfolded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.report.document import Document
from mtmd.report.document import page as render_page
from mtmd.report.index import write_line
from mtmd.report.view import RunRecords, view
from tests.browser import Browser, installed, opened
from tests.looks import Scheme, dead_links, in_every_view
from tests.report.conftest import all_that_a_page_can_show
from tests.report.line_records import Records, build
from tests.report.line_records import day as day_of
from tests.report.line_records import records as line_of_records

__all__ = ["build", "line_of_records"]

PROGRAM = installed()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")

BACKGROUNDS: dict[Scheme, str] = {"dark": "rgb(18, 21, 26)", "light": "rgb(246, 247, 249)"}
_UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
_WIDTH = "document.documentElement.scrollWidth"
_BOTTOM = "document.querySelector('table').getBoundingClientRect().bottom + window.scrollY"
_BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    assert PROGRAM is not None
    with opened(PROGRAM, tmp_path) as browser:
        yield browser


@pytest.fixture
def document(records: RunRecords, day: HeldOutDay, tiny_preset: Preset, tmp_path: Path) -> Document:
    """A kept candidate with all that a page can show."""
    return view(all_that_a_page_can_show(records, day, tiny_preset, tmp_path))


def test_a_runs_page_fits_every_screen_and_can_be_read_on_it(
    browser: Browser, tmp_path: Path, document: Document
) -> None:
    place = tmp_path / "tiny" / "runs" / "a" / "report.html"
    place.parent.mkdir(parents=True)
    (tmp_path / "tiny" / "index.html").write_text("<title>the index</title>")
    place.write_text(render_page(document, "../../index.html", "All days and runs of tiny"))
    page = browser.page
    page.goto(place.as_uri())
    assert list(in_every_view(browser, "page-folded")) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    first = page.get_by_role("table").first
    assert "ctr recall" in first.inner_text()
    assert page.evaluate(_BOTTOM) <= 900  # all of it is seen without scrolling
    page.evaluate(_UNFOLD)
    assert list(in_every_view(browser, "page")) == []
    assert dead_links(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(_WIDTH) == 390  # tables scroll in their boxes
    for scheme, background in BACKGROUNDS.items():
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(_BACKGROUND) == background
    page.get_by_role("link", name="All days and runs of tiny").click()
    assert page.title() == "the index"
    assert browser.errors == []


def test_the_index_fits_every_screen_and_leads_to_the_runs(
    browser: Browser, line_of_records: Records
) -> None:
    """A record of every kind, words without a space to break them at, and a line of many runs."""
    line_of_records.every_kind()
    line_of_records.stop(day_of(5), "</script>" + "x" * 250)
    line_of_records.monitor(6, "z" * 250)
    for number in range(10, 60):
        line_of_records.run(number, failed=("champion",) if number % 5 else ())
    place = line_of_records.root.parent
    write_line(line_of_records.root)
    page = browser.page
    for name in ("", "tiny/"):
        page.goto((place / f"{name}index.html").as_uri())
        assert list(in_every_view(browser, f"index-{name.strip('/') or 'lines'}")) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate(_WIDTH) == 390
    page.goto((place / "index.html").as_uri())
    page.get_by_role("link", name="tiny").click()
    assert dead_links(page) == []
    page.get_by_role("link", name=f"{day_of(10)}").click()
    assert page.title() == "a run"
    assert browser.errors == []
