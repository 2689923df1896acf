"""A headless Chromium, where one is installed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, Request, WebError, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",  # the tests may run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_PATIENCE_MS = 300_000


def installed() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


@dataclass
class Browser:
    """One page, its pictures, what it asked of other machines than this one, and what scripts threw."""

    page: Page
    pictures: Path
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def picture(self, name: str) -> None:
        """Keep what is seen now, the whole page."""
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


@contextmanager
def opened(program: str, pictures: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=[*_QUIET])
        page = chromium.new_page(viewport={"width": 1280, "height": 1700}, timezone_id="America/New_York")
        page.set_default_timeout(_PATIENCE_MS)
        browser = Browser(page, pictures)

        def asked(request: Request) -> None:
            if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
                browser.elsewhere.append(request.url)

        page.on("request", asked)

        def thrown(error: WebError) -> None:
            browser.errors.append(str(error.error))

        page.context.on("weberror", thrown)
        try:
            yield browser
        finally:
            chromium.close()
