"""What a reader would stumble over on a page: asked of a real browser, in windows of two widths, light and dark.

`tests/looks.js` looks at a page as it stands. It tells of: a page that scrolls sideways; a text that is cut off, sticks
out of its box, must be scrolled to, lies on another text or below something else; a text too faint or small to read; a
picture that does not load. It can't judge a text on a picture, and says so.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urldefrag, urlsplit

from playwright.sync_api import Page

from tests.browser import Browser

LEAST_CONTRAST = 4.5  # what the WCAG ask of small text; ours has to do with it, large text too
SMALLEST_TEXT = 12.0  # px, as it is shown: drawings are scaled
Scheme = Literal["light", "dark"]
VIEWS: tuple[tuple[int, Scheme], ...] = ((1440, "light"), (1440, "dark"), (390, "dark"), (390, "light"))
_LOOK = (Path(__file__).with_name("looks.js")).read_text()
_LINKS = "[...document.querySelectorAll('a[href]')].map((link) => link.href)"


def faults(page: Page, root: str = "body") -> list[str]:
    """A line for each thing in the first element that matches `root`; the rest of the page is somebody else's."""
    asked = {"root": root, "least": LEAST_CONTRAST, "smallest": SMALLEST_TEXT}
    found: list[str] = page.evaluate(_LOOK, asked)
    return found


def in_every_view(browser: Browser, name: str) -> Iterator[str]:
    """The faults in windows of each width and scheme.

    Pictures are kept of what has one; of everything where the environment's MTMD_SCREENSHOTS names a folder for them.
    """
    folder = os.environ.get("MTMD_SCREENSHOTS")
    for width, scheme in VIEWS:
        browser.page.set_viewport_size({"width": width, "height": 900})
        browser.page.emulate_media(color_scheme=scheme)
        found = faults(browser.page)
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
