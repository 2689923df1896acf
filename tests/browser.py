"""A headless Chromium, where one is installed, and the Prefect UI as a person uses it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import Locator, Page, Request, TimeoutError, WebError, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",  # the tests may run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_PATIENCE_MS = 300_000
_CLICK_PATIENCE_MS = 30_000
_TRIES = 3
_BUSY = 503  # what Prefect answers while another writer holds its SQLite database
_CREATES_A_RUN = re.compile(r"/create_flow_run$")
# Prefect's chart of a run throws this when the machine is too slow for it to be there yet.
_CHART = re.compile(r"Cannot read properties of null \(reading '(position|addChild)'\)")


def installed() -> str | None:
    """The browser's program."""
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
    """A new browser with an empty profile; closed afterwards."""
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
            if not _CHART.fullmatch(str(error.error)):
                browser.errors.append(str(error.error))

        page.context.on("weberror", thrown)
        try:
            yield browser
        finally:
            chromium.close()


@dataclass(frozen=True)
class RunForm:
    """The form that starts a run of a deployment."""

    page: Page

    run_name = "by-hand"

    def parameter(self, name: str) -> Locator:
        """All that the form shows of one."""
        label = self.page.locator(".schema-form-property__label", has_text=re.compile(f"^{name}( |$)"))
        return self.page.locator(".schema-form-property").filter(has=label)

    def pick(self, name: str, day: date) -> None:
        """A day, in the calendar that opens."""
        self.parameter(name).locator(".p-date-button__control").click()
        calendar = self.page.locator(".p-date-picker")
        calendar.locator("input").fill(day.isoformat())
        calendar.get_by_role("button", name="Apply").click()
        calendar.wait_for(state="detached")

    def write(self, name: str, value: str, *, of: str | None = None) -> None:
        """A text or a number; `of` chooses the type where the parameter may be left out."""
        shown = self.parameter(name)
        if of is not None:
            shown.get_by_role("button", name=of, exact=True).click()
        shown.locator("textarea, input").fill(value)

    def choose(self, name: str, value: str) -> None:
        """One of the values that a parameter can have."""
        self.parameter(name).locator(".p-select-button__control").press("ArrowDown")
        self.page.locator(".p-select-option").filter(has_text=re.compile(f"^{value}$")).click()

    def submit(self) -> None:
        """Name the run and press the button; whether it starts is another matter."""
        self.page.locator(".flow-run-name-input input").fill(self.run_name)
        self.page.get_by_role("button", name="Submit").click()

    def submit_until(self, seen: Locator) -> None:
        """Submit until the form shows what is awaited."""
        for _ in range(_TRIES):
            self.submit()
            try:
                seen.wait_for(timeout=_CLICK_PATIENCE_MS)
            except TimeoutError:  # the form was still checking its values, and the button did nothing
                continue
            return
        raise AssertionError(f"it was never seen; the page says: {self.page.locator('body').inner_text()}")

    def start(self) -> None:
        """Submit until the server has made the run, as a person would who is told to try later; then open the run."""
        for _ in range(_TRIES):
            try:
                with self.page.expect_response(_CREATES_A_RUN, timeout=_CLICK_PATIENCE_MS) as response:
                    self.submit()
            except TimeoutError:  # the form was still checking its values, and the button did nothing
                continue
            if response.value.status == _BUSY:
                continue
            assert response.value.ok, response.value.text()
            # The message that links to the run goes away by itself, on a busy machine before it can be clicked.
            self.page.goto(urljoin(self.page.url, f"/runs/flow-run/{response.value.json()['id']}"))
            return
        raise AssertionError(f"no run was made; the page says: {self.page.locator('body').inner_text()}")


@dataclass(frozen=True)
class FlowRun:
    """The page of a run."""

    page: Page

    def await_state(self, name: str) -> None:
        """Until the page, left alone, shows the state.

        Meanwhile it is small: Prefect paints its chart of a run sixty times a second, which without a graphics card
        takes most of a core from the run itself.
        """
        size = self.page.viewport_size
        assert size is not None
        self.page.set_viewport_size({"width": 480, "height": 240})
        self.page.locator("[class*=state-badge]", has_text=name).first.wait_for()
        self.page.set_viewport_size(size)

    def open_artifact(self, key: str) -> None:
        """The latest of a key, from the run's tab."""
        self.page.get_by_text("Artifacts", exact=True).click()
        title = self.page.locator(".artifact-card__title").filter(has_text=re.compile(f"^{key}$"))
        title.first.click()

    def follow(self, link: Locator) -> Page:
        """What opens in another tab."""
        with self.page.context.expect_page() as opened_page:
            link.click()
        opened_page.value.wait_for_load_state()
        return opened_page.value
