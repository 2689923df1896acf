"""What a reader would stumble over on a page: asked of a real browser, in windows of two widths, light and dark.

`tests/looks.js` looks at a page as it stands. It tells of: a page that scrolls sideways; a text that is cut off, sticks
out of its box, must be scrolled to, lies on another text or below something else; a text too faint to read; a picture
that does not load. It can't judge a text on a picture, and says so.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urldefrag, urlsplit

from playwright.sync_api import Page

from tests.browser import Browser

LEAST_CONTRAST = (
    4.5  # what the WCAG ask of small text; large text may do with 3, and ours has to do with the same
)
SMALLEST_TEXT = 8.5  # px, as it is shown: drawings are scaled
HEIGHT = 900  # px, of a window of the first width
Scheme = Literal["light", "dark"]
VIEWS: tuple[tuple[int, Scheme], ...] = ((1440, "light"), (1440, "dark"), (1024, "dark"), (1024, "light"))
# Each width once and each scheme once, which takes half the time. A text that only one width shows is then judged in
# one scheme alone.
EACH_ONCE: tuple[tuple[int, Scheme], ...] = ((1440, "light"), (1024, "dark"))
_LOOK = (Path(__file__).with_name("looks.js")).read_text()
# Prefect's UI has a class at the root, whatever the system prefers; colours that fade are at their end at once.
_SWITCH = """(scheme) => {
  const names = document.documentElement.classList;
  if (names.contains("dark") || names.contains("light")) names.remove("dark", "light") ?? names.add(scheme);
  document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity)
    .forEach((one) => one.finish());
}"""
_WHOLE = (
    "Math.max(...[...document.querySelectorAll('html, .app-router-view')].map((one) => one.scrollHeight))"
)
_LINKS = "(root) => [...document.querySelectorAll(`${root} a[href]`)].map((link) => link.href)"


def faults(page: Page, root: str = "body") -> list[str]:
    """A line for each thing in the first element that matches `root`; the rest of the page is somebody else's."""
    found: list[str] = page.evaluate(
        _LOOK, {"root": root, "least": LEAST_CONTRAST, "smallest": SMALLEST_TEXT}
    )
    return found


def in_every_view(
    browser: Browser,
    name: str,
    root: str = "body",
    views: Sequence[tuple[int, Scheme]] = VIEWS,
    *,
    whole: bool = False,
) -> Iterator[str]:
    """The faults in windows of each width and scheme.

    Pictures are kept of what has one; of everything where the environment's MTMD_SCREENSHOTS names a folder for them.
    Whether a text is covered, or lies on a drawn shape, is only seen inside the window: `whole` makes it as high as
    the page, which takes twice as long. In Prefect's UI all that is below the window's edge is not looked at else.
    """
    folder = os.environ.get("MTMD_SCREENSHOTS")
    for width, scheme in views:
        view(browser.page, width, scheme)
        if whole or folder:
            view(browser.page, width, scheme, browser.page.evaluate(_WHOLE))
        found = faults(browser.page, root)
        yield from (f"{name}, {width} px, {scheme}: {words}" for words in found)
        if found or folder:
            place = Path(folder) if folder else browser.pictures
            browser.page.screenshot(path=place / f"{name}-{width}-{scheme}.png", full_page=True)


def view(page: Page, width: int, scheme: Scheme, height: int = HEIGHT) -> None:
    """Make the window as large, and prefer a scheme as a person's system and Prefect's own switch would."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.evaluate(_SWITCH, scheme)


@dataclass
class Links:
    """Asks each address once, of however many pages lead there."""

    answers: dict[str, str | None] = field(default_factory=dict)  # a page's text, or None where there is none

    def dead(self, page: Page, root: str = "body") -> list[str]:
        """Links that lead nowhere, to a place that the page there has not, or away from this machine."""
        found = dict.fromkeys(page.evaluate(_LINKS, root))
        return [f"{words}: {link}" for link in found if (words := self._wrong(page, link))]

    def _wrong(self, page: Page, link: str) -> str:
        address, place = urldefrag(link)
        parts = urlsplit(address)
        if parts.scheme != "file" and parts.hostname != "127.0.0.1":
            return "leads away"
        if address == urldefrag(page.url)[0]:
            there = not place or page.locator(f"[id='{place}']").count() == 1
            return "" if there else "no such place"
        if address not in self.answers:
            self.answers[address] = _text(page, address)
        text = self.answers[address]
        if text is None:
            return "no answer"
        return "" if not place or f'id="{place}"' in text else "no such place"


def _text(page: Page, address: str) -> str | None:
    if address.startswith("file:"):
        path = Path(unquote(urlsplit(address).path))
        return path.read_text() if path.is_file() else "" if path.is_dir() else None
    answer = page.request.get(address)
    return answer.text() if answer.status == 200 else None
