"""The page in a real browser: it fits the screens it is made for, and follows the reader's colours."""

import json
import os
import re
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset, variants
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.report.page.render import ReportInputs, render_report
from tests.abtest.outcomes import planted
from tests.browser import installed
from tests.report.page.conftest import evaluate, thirty_runs
from tests.report.page.test_since import sample

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
  const all = [...document.querySelectorAll("body *")], shown = all.filter(e => e.getClientRects().length);
  const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const rgba = colour => {
    const [r, g, b, a = 1] = numbers(colour), scale = colour.startsWith("color(srgb") ? 255 : 1;
    return [r * scale, g * scale, b * scale, a];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const behind = e => {
    if (!e) return rgba(getComputedStyle(document.body).backgroundColor);
    return [...over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement)), 1];
  };
  const opacity = e => e ? getComputedStyle(e).opacity * opacity(e.parentElement) : 1;
  const light = colour => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const part = colour[i] / 255;
    return sum + weight * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0.05);
  const contrast = e => {
    const ground = behind(e), own = rgba(getComputedStyle(e)[e instanceof SVGElement ? "fill" : "color"]);
    const [a, b] = [light(over([...own.slice(0, 3), own[3] * opacity(e)], ground)), light(ground)];
    return Math.max(a, b) / Math.min(a, b);
  };
  const texts = shown.filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const faint = texts.filter(e => e.tagName !== "title").map(e => [contrast(e), e.textContent.trim().slice(0, 40)]);
  const cells = shown.filter(e => e.matches("td, th, dd, li, p, h1, h2, figcaption") && e.innerText.trim());
  const clipped = cells.filter(e => {
    const own = document.createRange();
    own.selectNodeContents(e);
    const [inside, box] = [own.getBoundingClientRect(), e.getBoundingClientRect()];
    return inside.right > box.right + 1 || inside.left < box.left - 1;
  });
  document.body.dataset.found = JSON.stringify({
    wide: document.documentElement.scrollWidth,
    scrolling: [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1)
      .map(e => e.closest("section").id + ": " + e.textContent.trim().slice(0, 40)),
    background: getComputedStyle(document.body).backgroundColor,
    drawings: document.querySelectorAll("svg").length,
    first: Math.max(...[...document.querySelectorAll(".card")].map(e => e.getBoundingClientRect().bottom)),
    faintest: faint.sort((a, b) => a[0] - b[0])[0],
    clipped: clipped.map(e => e.textContent.trim().slice(0, 40)),
  });
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
    whole = replace(
        whole,
        tested=planted(unconstrained=True, HDR=30.0),
        past=thirty_runs(),
        since=sample(inputs.evaluation),
    )
    html = re.sub(r"<meta http-equiv=[^>]*>", "", render_report(whole)).replace("</body>", PROBE)
    html = re.sub('<details( class="how")?>', r"<details\1 open>", html)
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(html)
    return place


def look(page: Path, profile: Path, width: int, scheme: int) -> dict[str, Any]:
    """What the browser made of the page at 900 pixels of height; scheme 1 is light, 0 is dark."""
    assert BROWSER is not None
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # the browser's own does not run as root
    own = [f"--user-data-dir={profile}", f"--window-size={width},900", "--dump-dom"]
    scheme_flag = f"--blink-settings=preferredColorScheme={scheme}"
    command = [BROWSER, *FLAGS, *sandbox, *own, scheme_flag, page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    (found,) = re.findall(r'data-found="([^"]*)"', shown)
    return dict(json.loads(unescape(found)))


@pytest.mark.parametrize(("width", "scheme"), [(1024, 0), (1440, 1), (1440, 0), (1920, 1)])
def test_it_fits_the_screen_and_can_be_read_on_it(
    page: Path, tmp_path: Path, width: int, scheme: int
) -> None:
    """Light (1) and dark (0); 4.5 is the contrast that the WCAG ask of small text."""
    found = look(page, tmp_path, width, scheme)
    assert found["wide"] <= width
    assert (found["scrolling"], found["clipped"]) == ([], [])
    assert found["drawings"] > 50
    assert found["background"] == {1: "rgb(246, 247, 249)", 0: "rgb(18, 21, 26)"}[scheme]
    assert found["faintest"][0] >= 4.5, found["faintest"]
    if width >= 1440:
        assert found["first"] <= 900  # the five answers, without scrolling
