"""The index in a real browser: served, from a disk, without scripts, and on the screens that it is made for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page

from mtmd.report.index.render import render_line
from mtmd.report.index.stage import write_index
from mtmd.store.files import read_json, write_json
from tests.browser import Browser, installed, opened
from tests.looks import EACH_ONCE, VIEWS, Links, in_every_view
from tests.report.index.conftest import Records, day, many_runs

BROWSER = installed()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the test says what matters."""


@contextmanager
def _served(place: Path) -> Iterator[str]:
    """As `make up` serves the artifacts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(place))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def artifacts(records: Records) -> Path:
    """A line with a record of every kind, and another one with 400 runs and names that are too long for a column."""
    records.every_kind()
    _damage(records)
    place = records.root.parent
    write_index(place)
    many = place / "many"
    many.mkdir()
    (many / "index.html").write_text(render_line(many_runs(400)))
    return place


def _damage(records: Records) -> None:
    """Reasons, names and words without a space to break them at."""
    (run,) = records.root.glob(f"runs/{day(2)}-*/summary.json")
    summary = read_json(run)
    summary["verdict"]["gates"][0] |= {"name": "champion" * 9, "detail": "</script>" + "x" * 250}
    write_json(run, summary | {"start": "goes on from " + "y" * 60})
    records.monitor(8, "z" * 250)


def _shown(page: Page) -> list[str]:
    return [row.inner_text().split()[0] for row in page.locator("#list tbody th:visible").all()]


def test_the_index_works_served_and_from_a_disk(artifacts: Path, tmp_path: Path) -> None:
    assert BROWSER is not None
    with opened(BROWSER, tmp_path) as browser, _served(artifacts) as url:
        page = browser.page
        page.goto(url)
        page.get_by_role("link", name="tiny").click()
        assert Links().dead(page) == []
        assert page.locator("a[href]").count() > 10
        _filters(page)
        _compares(page)
        _fits(browser, url)
        _is_readable_without_scripts(page, url)
        assert browser.errors == []
        assert browser.elsewhere == []
        page.goto((artifacts / "tiny" / "index.html").as_uri())
        _filters(page)
        _compares(page)
        page.locator("a.cell.promoted").click()
        assert page.title() == "a run"
        assert browser.errors == []
        assert {asked.partition(":")[0] for asked in browser.elsewhere} == {"file"}


def _filters(page: Page) -> None:
    days = ["2026-01-25", "2026-01-24", "2026-01-23", "2026-01-22", "2026-01-21"]
    assert _shown(page) == days
    search = page.get_by_placeholder("day, model, gate, reason")
    search.fill("LOGS missing")
    assert _shown(page) == days[:1]
    assert page.locator("#shown").inner_text() == "1 of 5 runs"
    search.fill("")
    for name in ("promoted", "stopped", "failed"):
        page.get_by_label(name, exact=True).uncheck()
    assert _shown(page) == [days[2], days[3]]  # kept, and rolled back
    for name in ("promoted", "stopped", "failed"):
        page.get_by_label(name, exact=True).check()
    assert _shown(page) == days


def _compares(page: Page) -> None:
    panel = page.locator("#side-by-side")
    assert panel.inner_text() == "Tick two runs in the list above."
    page.get_by_label("compare the run of 2026-01-21").check()
    page.get_by_label("compare the run of 2026-01-23").check()
    page.get_by_role("link", name="side by side", exact=True).click()
    said = " ".join(panel.inner_text().split())
    assert "A 2026-01-21 20260121-0000000000 B 2026-01-23 20260123-0000000002" in said
    assert "verdict promoted kept" in said
    assert "ctr 0.5000 0.4000 +20.0% 1.500 1.500 0.750 0.750 +9.5% +9.5%" in said
    assert "hides – – – – – – – – –" in said
    assert f"✗ fail </script>{'x' * 250}" in said
    assert "✓ pass what champion saw" in said
    page.get_by_label("compare the run of 2026-01-22").check()  # a third one takes the place of the first
    assert "A 2026-01-23" in " ".join(panel.inner_text().split())
    page.get_by_role("button", name="clear").click()
    assert panel.inner_text() == "Tick two runs in the list above."
    assert page.locator("input[name=choose]:checked").count() == 0


def _fits(browser: Browser, url: str) -> None:
    """Nothing is wider than the screen, cut off, or too faint, also beside two runs side by side."""
    for name, views in (("", VIEWS), ("tiny/", VIEWS), ("many/", EACH_ONCE)):
        browser.page.goto(f"{url}{name}index.html")
        for box in browser.page.locator("input[name=choose]").all()[:2]:
            box.check()
        assert list(in_every_view(browser, f"index-{name.strip('/') or 'lines'}", views=views)) == []


def _is_readable_without_scripts(page: Page, url: str) -> None:
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{url}tiny/index.html")
    assert plain.locator("#list tbody tr:visible").count() == 5
    assert plain.locator(".cell:visible").count() > 10
    for hidden in ("#search", "#compare", "input", "#chosen", "thead .script"):
        assert plain.locator(f"{hidden}:visible").count() == 0, hidden
