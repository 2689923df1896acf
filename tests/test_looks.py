"""Whatever makes a page hard to read is told: each kind of fault is planted once."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, installed, opened
from tests.looks import Links, faults, in_every_view

PROGRAM = installed()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")

_LONG = "a text that is longer than its box " * 3
_BOX = "width: 100px; white-space: nowrap;"
_PICTURE = base64.b64encode(
    b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><text x="9" y="20" fill="#888">x</text></svg>'
).decode()
# Texts that are drawn nowhere by themselves.
_SHARED = (
    "<svg width=0 height=0 style='position: absolute'><defs><g id=faint><text x=9 y=20 fill='#aaa'>faint</text></g>"
    "<g id=good><text x=9 y=20 fill='#222'>dark</text></g></defs></svg>"
)
FAULTS = {
    "page": (f"<p style='width: 1500px'>{_LONG}</p>", "scrolls: the page is 15"),
    "cut": (f"<p style='{_BOX} overflow: hidden'>{_LONG}</p>", "cut off: p"),
    "dots": (f"<td style='{_BOX} overflow: clip; text-overflow: ellipsis; max-width: 0'>{_LONG}</td>", "cut off: td"),
    "below": (f"<p style='width: 90px; height: 20px; overflow: hidden'>{_LONG}</p>", "cut off: p"),
    "input": (f"<input size=9 value='{_LONG}'>", "cut off: input"),
    "drawing": ("<svg width=60 height=20><text x=30 y=15>too far</text></svg>", "cut off: text"),
    "scroller": (f"<div style='{_BOX} overflow: auto'>{_LONG}</div>", "scrolls: div"),
    "out": (f"<p style='{_BOX}'>{_LONG}</p>", "sticks out: p"),
    "cell": (f"<table style='table-layout: fixed; width: 100px'><td><b>{'x' * 40}</b></table>", "sticks out: b"),
    "before": ("<p style='margin-left: -30px'>starts outside</p>", "sticks out: p"),
    "lie": ("<p>one</p><p style='margin-top: -32px'>other</p>", "overlaps: p"),
    "below another": ("<p>one</p><div style='height: 40px; margin-top: -40px; background: #ddd; position: relative'>"
                      "</div>", "covered: p"),
    "faint": ("<p style='color: #888'>3.54</p>", "has a contrast of 3.54"),
    "half": ("<div style='opacity: 0.5'><p>faded</p></div>", "faint: p"),
    "seen through": ("<div style='background: #0009'><div style='background: #fff1'><p style='color: #333'>x"
                     "</p></div></div>", "faint: p"),
    "on a shape": ("<svg><rect width=99 height=40 fill='#333'/><text x=9 y=20>black</text></svg>", "faint: text"),
    "tiny": ("<svg width=90 height=20 viewBox='0 0 180 40'><text x=9 y=20 font-size=12>x</text></svg>", "6.0 px"),
    "sign": ("<style>.p::before { content: '✓'; color: #ccc }</style><p class=p>done</p>", "“✓” before or after"),
    "hint": ("<style>::placeholder { color: #bbb }</style><input placeholder='write'>", "faint: input"),
    "on a picture": ("<p style='background: linear-gradient(#fff, #000)'>x</p>", "unknown: p"),
    "faint picture": (f"<img width=90 height=40 src='data:image/svg+xml;base64,{_PICTURE}' alt=''>", "faint: text"),
    "shown again": (f"{_SHARED}<svg width=90 height=40><use href='#faint'/></svg>", "faint: text"),
    "shown elsewhere": (f"{_SHARED}<svg width=90 height=40><use href='#good' x=70 /></svg>", "cut off: text"),
    "shown on a shape": (f"{_SHARED}<svg width=90 height=40><rect width=90 height=40 fill='#111'/><use href='#good'/>"
                         "</svg>", "faint: text"),
    "shows nothing": ("<svg width=90 height=40><use href='#gone'/></svg>", "missing: use"),
    "broken": ("<img src='nothing.png' alt='a chart' width=9 height=9>", "missing: img"),
}  # fmt: skip
FINE = f"""<h1>All is well</h1>{_SHARED}<svg width=120 height=40><use href='#good' x=9 /></svg>
<p style='{_BOX} width: auto'>fits</p><div style='opacity: .9'>seen</div>
<p style='display: none; color: #eee'>hidden</p><details><summary>more</summary><p style='color: #eee'>folded</details>
<table style='position: relative'><td>a<td style='background: #234; color: #fff'>b<small>c</small></table>
<svg width=90 height=40><rect width=90 height=40 fill='#223'/><text x=9 y=20 fill='#fff'>white</text></svg>
<div style='width: 50px; height: 30px; overflow-y: auto'>it scrolls down</div><p>after it</p>
<div style='position: sticky; bottom: 0; background: #fff'>always there</div>"""


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


def test_what_can_be_read_is_no_fault(browser: Browser, tmp_path: Path) -> None:
    _show(browser, tmp_path, FINE)
    assert faults(browser.page) == []


def test_other_parts_of_the_page_are_not_looked_at(browser: Browser, tmp_path: Path) -> None:
    faint = "<p style='color: #ccc'>faint {}</p>"
    _show(browser, tmp_path, f"{faint.format(1)}<main>{faint.format(2)}</main>")
    assert len(faults(browser.page)) == 2
    assert len(faults(browser.page, "main")) == 1
    assert faults(browser.page, "#none") == ["missing: nothing on the page is #none"]


def test_each_width_and_scheme_is_looked_at_and_pictured_where_it_is_wrong(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MTMD_SCREENSHOTS", raising=False)
    wide = "@media (max-width: 1200px) { p { width: 9px } }"
    dark = "@media (prefers-color-scheme: dark) { p { color: #222 } body { background: #111 } }"
    _show(browser, tmp_path, f"<style>{wide} {dark}</style><p>something</p>")
    assert [words.partition(":")[0] for words in in_every_view(browser, "planted")] == [
        "planted, 1440 px, dark",
        "planted, 1024 px, dark",
        "planted, 1024 px, dark",
        "planted, 1024 px, light",
    ]
    assert (browser.pictures / "planted-1024-light.png").is_file()
    assert not (browser.pictures / "planted-1440-light.png").exists()


def test_links_that_lead_nowhere_are_told(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "there.html").write_text('<p id="place">')
    good = ["#here", "there.html", "there.html#place", "."]
    bad = {"#gone": "no such place", "gone.html": "no answer", "there.html#gone": "no such place"}
    links = "".join(f"<a href='{link}'>{link}</a> " for link in [*good, *bad, "https://example.org/"])
    _show(browser, tmp_path, f"<p id=here>{links}</p>")
    folder = tmp_path.as_uri()
    assert Links().dead(browser.page) == [
        f"no such place: {folder}/page.html#gone",
        f"no answer: {folder}/gone.html",
        f"no such place: {folder}/there.html#gone",
        "leads away: https://example.org/",
    ]


def _show(browser: Browser, place: Path, html: str) -> None:
    page = place / "page.html"
    page.write_text(f"<!doctype html><meta name=color-scheme content=light><body>{html}</body>")
    browser.page.goto(page.as_uri())
    browser.page.set_viewport_size({"width": 1280, "height": 900})
    browser.page.emulate_media(color_scheme="light")
