"""Pages in a real browser: they fit a desktop and a phone, light and dark, folded and unfolded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mtmd.config import Preset, variants
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.report.document import Document
from mtmd.report.document import page as render_page
from mtmd.report.index import render_line, write_index
from mtmd.report.view import RunRecords, view
from mtmd.store.files import read_json, write_json
from tests.browser import Browser, installed, opened
from tests.looks import EACH_ONCE, VIEWS, Links, in_every_view
from tests.report.conftest import evaluate, thirty_runs
from tests.report.line_records import Records, build, many_runs
from tests.report.line_records import day as day_of
from tests.report.line_records import records as line_of_records

__all__ = ["build", "line_of_records"]

PROGRAM = installed()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")

_UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
_WIDTH = "document.documentElement.scrollWidth"
_BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    assert PROGRAM is not None
    with opened(PROGRAM, tmp_path) as browser:
        yield browser


@pytest.fixture
def document(records: RunRecords, day: HeldOutDay, tiny_preset: Preset, tmp_path: Path) -> Document:
    """A kept candidate with all that a page can show."""
    ablated = evaluate(day, tiny_preset, mtmd=0.1, **dict.fromkeys(variants(), 0.1234))
    write_json(tmp_path / "report.json", ablated.model_dump(mode="json"))
    done = Ablation(paths=(str(tmp_path),), seeds=(0,), trained={}, missing=("post_norm, seed 0: a reason",))
    return view(replace(records, past=thirty_runs(), ablated=done))


def test_a_runs_page_fits_every_screen_and_can_be_read_on_it(
    browser: Browser, tmp_path: Path, document: Document
) -> None:
    place = tmp_path / "tiny" / "runs" / "a" / "report.html"
    place.parent.mkdir(parents=True)
    (tmp_path / "tiny" / "index.html").write_text("<title>the index</title>")
    place.write_text(render_page(document, "tiny"))
    page = browser.page
    page.goto(place.as_uri())
    assert list(in_every_view(browser, "page-folded", views=VIEWS)) == []
    page.evaluate(_UNFOLD)
    assert [
        fault for fault in in_every_view(browser, "page", views=EACH_ONCE) if "scrolls: div" not in fault
    ] == []
    assert Links().dead(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(_WIDTH) == 390  # tables scroll in their boxes
    assert page.evaluate(_BACKGROUND) == "rgb(18, 21, 26)"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(_BACKGROUND) == "rgb(246, 247, 249)"
    page.get_by_role("link", name="All days and runs of tiny").click()
    assert page.title() == "the index"
    assert browser.errors == []


def test_the_index_fits_every_screen_and_leads_to_the_runs(
    browser: Browser, line_of_records: Records
) -> None:
    """Beside a record of every kind, words without a space to break them at, and a line of 400 runs."""
    line_of_records.every_kind()
    (run,) = line_of_records.root.glob(f"runs/{day_of(2)}-*/summary.json")
    summary = read_json(run)
    summary["verdict"]["gates"][0] |= {"name": "champion" * 9, "detail": "</script>" + "x" * 250}
    write_json(run, summary | {"start": "goes on from " + "y" * 60})
    line_of_records.monitor(8, "z" * 250)
    place = line_of_records.root.parent
    write_index(place)
    (place / "many").mkdir()
    (place / "many" / "index.html").write_text(render_line(many_runs(400)))
    page = browser.page
    for name, views in (("", VIEWS), ("tiny/", VIEWS), ("many/", EACH_ONCE)):
        page.goto((place / f"{name}index.html").as_uri())
        assert list(in_every_view(browser, f"index-{name.strip('/') or 'lines'}", views=views)) == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate(_WIDTH) == 390
    page.goto((place / "index.html").as_uri())
    page.get_by_role("link", name="tiny").click()
    assert Links().dead(page) == []
    page.locator("a.cell.promoted").click()
    assert page.title() == "a run"
    assert browser.errors == []
