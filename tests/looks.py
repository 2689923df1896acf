"""What a reader would stumble over on a page: asked of a real browser, in windows of two widths, light and dark.

`tests/looks.js` looks at a page as it stands. It tells of: a page that scrolls sideways; a text that is cut off, sticks
out of its box, must be scrolled to, lies on another text or below something else; a text too faint or small to read; a
picture that does not load. It can't judge a text on a picture, and says so.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urldefrag, urlsplit

from playwright.sync_api import Page

from tests.browser import Browser

LEAST_CONTRAST = 4.5  # what the WCAG ask of small text; ours has to do with it, large text too
SMALLEST_TEXT = 12.0  # px, as it is shown: drawings are scaled
Scheme = Literal["light", "dark"]
DESKTOP, PHONE = (1440, 900), (390, 844)
VIEWS: tuple[tuple[tuple[int, int], Scheme], ...] = (
    (DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "dark"), (PHONE, "light"),
)  # fmt: skip
_LOOK = (Path(__file__).with_name("looks.js")).read_text()
_LINKS = "[...document.querySelectorAll('a[href]')].map((link) => link.href)"


def faults(page: Page, root: str = "body") -> list[str]:
    """A line for each thing in the first element that matches `root`; the rest of the page is somebody else's."""
    asked = {"root": root, "least": LEAST_CONTRAST, "smallest": SMALLEST_TEXT}
    found: list[str] = page.evaluate(_LOOK, asked)
    return found


def in_every_view(browser: Browser, name: str, first: Sequence[str] = ()) -> Iterator[str]:
    """The faults in windows of each size and scheme; the words `first` are to be in the first screen.

    Pictures are kept of what has one; of everything where the environment's MTMD_SCREENSHOTS names a folder for them.
    """
    folder = os.environ.get("MTMD_SCREENSHOTS")
    for (width, height), scheme in VIEWS:
        browser.page.set_viewport_size({"width": width, "height": height})
        browser.page.emulate_media(color_scheme=scheme)
        found = faults(browser.page)
        for words in first:
            boxes = [one.bounding_box() for one in browser.page.get_by_text(words).all()]
            if not any(box and box["y"] + box["height"] <= height for box in boxes):
                found.append(f"not in the first screen: {words}")
        yield from (f"{name}, {width} px, {scheme}: {words}" for words in found)
        if found or folder:
            place = Path(folder) if folder else browser.pictures
            browser.page.screenshot(path=place / f"{name}-{width}-{scheme}.png", full_page=True)


def dead_links(page: Page) -> list[str]:
    """Links to files that are not there, to a place that a page has not, or away from this machine."""
    return [link for link in dict.fromkeys(page.evaluate(_LINKS)) if not _leads(link)]


def _leads(link: str) -> bool:
    address, place = urldefrag(link)
    path = Path(unquote(urlsplit(address).path))
    if urlsplit(address).scheme != "file" or not path.is_file():
        return False
    return not place or f'id="{place}"' in path.read_text()
