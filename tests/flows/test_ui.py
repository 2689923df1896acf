"""What people do in the UI: fill the run form, see the run finish, open its artifacts, follow a link to a report."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser, FlowRun, RunForm, installed, opened
from tests.flows.deployed import Deployed
from tests.flows.runs import AS_OF, LINE, ROOT, TINY, Run, reporting_to
from tests.flows.troubled import publish_every_artifact
from tests.looks import EACH_ONCE, Links, in_every_view

# How the flows say under which key an artifact is published.
_KEY = re.compile(r"""(?:artifact\(|publish\(|_of_stage\()\s*"([a-z-]+)\"""")
_LAST = AS_OF + timedelta(days=2)  # the first two days were decided before


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = installed()
    if program is None:
        pytest.skip("no Chromium is installed")
    with opened(program, tmp_path) as browser:
        yield browser
    assert (browser.errors, browser.elsewhere) == ([], [])


def _backfills(deployed: Deployed) -> list[dict[str, Any]]:
    found = deployed.ask("/flow_runs/filter", flows={"name": {"any_": ["backfill"]}})
    return [run for run in found if run["deployment_id"]]


def _run_form(browser: Browser, deployed: Deployed) -> RunForm:
    (backfill,) = deployed.ask("/deployments/filter", flows={"name": {"any_": ["backfill"]}})
    address = f"http://127.0.0.1:{deployed.platform.port}/deployments/deployment/{backfill['id']}/run"
    browser.page.goto(address)
    return RunForm(browser.page)


def test_the_run_form_says_what_each_parameter_is(browser: Browser, deployed: Deployed) -> None:
    form = _run_form(browser, deployed)
    form.parameter("first").get_by_text("Oldest as_of").wait_for()
    browser.picture("form")
    said = {
        name: form.parameter(name).inner_text() for name in ("window_days", "at_once", "promote", "dry_run")
    }
    assert (
        "Training days before as_of; the preset's when omitted (at least 7, at most 60)"
        in said["window_days"]
    )
    assert "more than 1 (at least 1, at most 8)" in said["at_once"]
    assert "never over a newer champion" in said["promote"]
    assert "Only publish what is blocked" in said["dry_run"]


def test_a_value_out_of_bounds_starts_nothing(browser: Browser, deployed: Deployed) -> None:
    before = _backfills(deployed)
    form = _run_form(browser, deployed)
    form.pick("first", AS_OF)
    form.pick("last", _LAST)
    form.write("window_days", "6", of="int")
    form.submit_until(form.parameter("window_days").get_by_text("6 is not valid"))
    browser.picture("refused")
    assert _backfills(deployed) == before


def test_a_backfill_is_started_and_its_report_read(browser: Browser, deployed: Deployed) -> None:
    form = _run_form(browser, deployed)
    form.pick("first", AS_OF)
    form.pick("last", _LAST)
    form.write("window_days", "20", of="int")
    form.write("preset", TINY)
    form.write("logs", str(deployed.logs), of="str")
    form.write("artifacts", str(deployed.platform.artifacts))
    form.choose("reprocess", "failed")
    browser.picture("filled")
    form.start()

    run = FlowRun(browser.page)
    run.await_state("Completed")
    browser.picture("run")
    run.open_artifact("backfill")
    day = browser.page.get_by_role("listitem").filter(has_text=str(_LAST))
    link = day.get_by_role("link", name="report.html")
    link.wait_for()
    browser.picture("artifact")
    report = run.follow(link)
    report.screenshot(path=browser.pictures / "report.png", full_page=True)
    assert report.url.startswith(f"{deployed.platform.reports}/{LINE}/runs/{_LAST}-")
    assert report.title().startswith("Nothing promoted: ")
    (started,) = _backfills(deployed)
    assert started["parameters"]["reprocess"] == "failed"
    assert started["name"] == f"backfill {AS_OF} to {_LAST}"

    report.goto(deployed.platform.reports)
    report.get_by_role("link", name=LINE, exact=True).click()
    report.get_by_role("heading", name=LINE, exact=True).wait_for()


def test_every_run_form_can_be_read(browser: Browser, deployed: Deployed) -> None:
    found: list[str] = []
    for one in deployed.ask("/deployments/filter"):
        browser.page.goto(f"http://127.0.0.1:{deployed.platform.port}/deployments/deployment/{one['id']}/run")
        browser.page.locator(".schema-form-property__label").first.wait_for()
        found += in_every_view(browser, f"form-{one['name']}", "form", whole=True)
    assert found == []


def test_every_artifact_can_be_read_and_its_links_answer(
    browser: Browser, deployed: Deployed, next_day: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings, metrics and parity are those of the backfill above; the others are of a bad day.

    Only the artifact is looked at: what is around it is Prefect's.
    """
    monkeypatch.setenv("MTMD_REPORTS_URL", deployed.platform.reports)
    with reporting_to(deployed.platform.api):
        publish_every_artifact(next_day, deployed.platform.artifacts)
    found = deployed.ask("/artifacts/latest/filter", artifacts={"type": {"any_": ["markdown"]}})
    latest = {one["key"]: one["latest_id"] for one in found}
    keys = {key for path in (ROOT / "flows").glob("*.py") for key in _KEY.findall(path.read_text())}
    assert set(latest) == keys
    verdicts = deployed.ask("/artifacts/filter", artifacts={"key": {"any_": ["verdict"]}})
    (stopped,) = [one["id"] for one in verdicts if "Stopped before a decision" in one["data"]]
    wrong, links, body = [], Links(), ".artifact-data-markdown"
    hostile = 'a[href^="javascript"], img[src="x"]'  # of the error text in most of them
    for name, identity in (latest | {"stopped": stopped}).items():
        browser.page.goto(f"http://127.0.0.1:{deployed.platform.port}/artifacts/artifact/{identity}")
        browser.page.locator(f"{body} h2").first.wait_for()
        wrong += in_every_view(browser, f"artifact-{name}", body, whole=True)
        wrong += links.dead(browser.page, body)
        wrong += [f"{name}: markup"] * browser.page.locator(hostile).count()
    browser.page.goto(f"http://127.0.0.1:{deployed.platform.port}/artifacts")  # their descriptions
    browser.page.get_by_text("verdict", exact=True).wait_for()
    browser.picture("artifacts")
    wrong += ["a description: markup"] * browser.page.locator(hostile).count()
    assert wrong == []


def test_every_page_that_is_served_can_be_read_and_its_links_answer(
    browser: Browser, deployed: Deployed
) -> None:
    """Of a line's first run, of one that was promoted over it, and of one that was not; and the index pages."""
    line, links, found = deployed.platform.artifacts / LINE, Links(), []
    pages = sorted(line.glob("runs/*/report.html"))
    assert len(pages) == 3
    for path in (*pages, line / "index.html", line.parent / "index.html"):
        place = path.relative_to(line.parent)
        browser.page.goto(f"{deployed.platform.reports}/{place}")
        found += in_every_view(browser, "-".join(place.parts[-3:-1]) or "lines", views=EACH_ONCE)
        found += links.dead(browser.page)
    assert found == []
