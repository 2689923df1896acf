"""The page in a real browser: it fits the screens it is made for, and follows the reader's colours."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mtmd.config import Preset, variants
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.report.page.render import ReportInputs, render_report
from tests.abtest.outcomes import planted
from tests.browser import installed
from tests.report.page.conftest import evaluate

BROWSER = installed()
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Written into the page for the test alone: what the browser made of it.
PROBE = """<script>addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth;
  const inner = [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1).length;
  const colour = getComputedStyle(document.body).backgroundColor;
  document.body.dataset.found = `${wide}|${inner}|${colour}|${document.querySelectorAll("svg").length}`;
})</script></body>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def page(
    inputs: ReportInputs, day: HeldOutDay, tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Every section has something to show: all variants, with long numbers, and a simulated A/B, unfolded."""
    errors = dict.fromkeys(variants(), 0.1234)
    ablated = evaluate(day, tiny_preset, mtmd=0.1, **errors)
    keys = {f"{name}, seed 0": "1" * 64 for name in variants()}
    whole = replace(inputs, ablations=(ablated,), untrained=("post_norm, seed 0: a reason",), variants=keys)
    whole = replace(whole, tested=planted(unconstrained=True, HDR=30.0))
    html = re.sub(r"<meta http-equiv=[^>]*>", "", render_report(whole)).replace("</body>", PROBE)
    html = html.replace("<details>", "<details open>")
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(html)
    return place


def look(page: Path, profile: Path, width: int, scheme: int = 1) -> list[str]:
    """scrollWidth, tables that scroll, background and drawings, as the browser laid the page out."""
    assert BROWSER is not None
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # the browser's own does not run as root
    own = [f"--user-data-dir={profile}", f"--window-size={width},1000", "--dump-dom"]
    scheme_flag = f"--blink-settings=preferredColorScheme={scheme}"
    command = [BROWSER, *FLAGS, *sandbox, *own, scheme_flag, page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    (found,) = re.findall(r'data-found="([^"]*)"', shown)
    return found.split("|")


@pytest.mark.parametrize("width", [1280, 1920])
def test_nothing_is_wider_than_the_screen(page: Path, tmp_path: Path, width: int) -> None:
    wide, scrolling, _, drawings = look(page, tmp_path, width)
    assert int(wide) <= width
    assert scrolling == "0"
    assert int(drawings) > 50


def test_it_is_dark_where_the_reader_wants_it_dark(page: Path, tmp_path: Path) -> None:
    light, dark = (look(page, tmp_path / str(scheme), 1280, scheme)[2] for scheme in (1, 0))
    assert (light, dark) == ("rgb(246, 247, 249)", "rgb(18, 21, 26)")
