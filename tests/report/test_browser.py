"""Pages in a real browser: they fit a desktop and a phone, light and dark, folded and unfolded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtmd.config import Preset
from mtmd.errors import ValidationError
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.export.parity import Proof
from mtmd.export.stage import Proofs
from mtmd.report import jobs
from mtmd.report.document import Document
from mtmd.report.document import page as render_page
from mtmd.report.index import write_line
from mtmd.report.view import RunRecords, view
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Severity
from mtmd.validate.stage import DataQuality
from tests.browser import Browser, installed, opened
from tests.looks import Scheme, dead_links, in_every_view
from tests.report.conftest import (
    AS_OF,
    CANDIDATE,
    CHAMPION,
    FRESH,
    all_that_a_page_can_show,
    evaluate,
    judged,
)
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


WORSE = np.array([[0.0] * 3] * 5 + [[0.55] * 3])  # by domain and task
PARITY = Proof(
    passed=False,
    detail="item_shopping.onnx at batch size 7: embeddings differ by 0.41, at most 0.001",
    others=tuple(f"query_{one}.onnx at batch size 7: embeddings differ by 0.2" for one in "abc"),
)
KEPT = "Kept the champion: gate"
_NUMBERS = {"domain": "all", "observed": "1204", "subject": "rows", "usual": "2403.5"}
_STATED = {"table": "requests", "name": "row_counts_steady", "description": "Look whether the day is whole."}
HALF = ExpectationResult(severity=Severity.WARNING, unexpected=1, samples=(_NUMBERS,), **_STATED)
STOP = ExpectationResult(
    table="candidates", name="ctr_is_a_probability", description="The loss takes the logarithm of the score.",
    unexpected=117, samples=tuple({"request_id": f"{n}", "ad_id": "9", "ctr": "nan"} for n in range(5)),
)  # fmt: skip
# What is wrong with the day, and what the first screen says of it.
DAYS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "clean": ({}, ("✓ Promoted", "7 of 7 pass")),
    "one slice worse": ({"worse": 1.0}, (f"{KEPT} champion failed", "related_pin × shopping × ctr: LogMAE")),
    "miscalibrated": ({"error": -0.4}, (f"{KEPT} calibration failed", "mean prediction / mean teacher 1.49")),
    "parity": ({"parity": PARITY}, (f"{KEPT} parity failed", "item_shopping.onnx at batch size 7")),
    "half the traffic": ({"found": HALF}, ("✓ Promoted", "requests.row_counts_steady", "rows: 1204, usually 2403.5")),
    "stopped": ({"found": STOP}, ("Stopped by the data suites", "candidates.ctr_is_a_probability, 117", "mtmd check")),
}  # fmt: skip


def prepared(records: RunRecords, day: HeldOutDay, preset: Preset, wrong: dict[str, Any]) -> Document:
    """The page of a day with something wrong."""
    results = (wrong["found"],) if "found" in wrong else ()
    checked = DayValidation(
        title=f"{AS_OF}", day=AS_OF, results=results, profile=DayProfile(day=AS_OF, candidates={}), compared=9
    )
    quality = DataQuality(days=(checked,), window=None, reused=(), sources=("s",))
    if not quality.passed:
        failed = ValidationError("a wall of text")
        failed.add_note("What mends it: mtmd check --as-of 2026-01-21 --preset tiny")
        return jobs.stopped(AS_OF, failed, CHAMPION, quality)
    up_and_down = np.where(np.arange(len(day.domain)) % 2, 1, -1)[:, None]  # which calibration does not see
    error = wrong.get("error", 0.1) + wrong.get("worse", 0.0) * WORSE[day.domain] * up_and_down
    errors = {"mtmd": error, "per_slice": 1.0, "pooled": 0.6, "constant": 2.0, "champion": 0.42}
    parity = wrong.get("parity", records.run.proofs.parity)
    report = evaluate(day, preset, **errors)
    verdict = judged(report, parity)
    changes = {
        "report": report, "verdict": verdict, "words": verdict.words(), "promoted": verdict.promoted,
        "champion": CANDIDATE if verdict.promoted else CHAMPION,
    }  # fmt: skip
    run = records.run.model_copy(
        update={"quality": quality, "proofs": Proofs(parity=parity, fresh_process=FRESH)}
    )
    return view(replace(records, run=run, summary=records.summary.model_copy(update=changes)))


@pytest.mark.parametrize("name", DAYS)
def test_verdict_and_cause_of_a_day_are_in_the_first_screen(
    browser: Browser, tmp_path: Path, records: RunRecords, day: HeldOutDay, tiny_preset: Preset, name: str
) -> None:
    wrong, words = DAYS[name]
    place = tmp_path / "page.html"
    place.write_text(render_page(prepared(records, day, tiny_preset, wrong), "../index.html", "All days"))
    browser.page.goto(place.as_uri())
    assert list(in_every_view(browser, f"day-{name.replace(' ', '-')}", words)) == []
