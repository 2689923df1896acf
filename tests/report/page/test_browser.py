"""The page in a real browser: it fits the screens it is made for, and follows the reader's colours."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mtmd.config import Preset, variants
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.report.page.render import ReportInputs, render_report
from tests.abtest.outcomes import planted
from tests.browser import Browser, installed, opened
from tests.looks import VIEWS, Links, in_every_view, view
from tests.report.page.conftest import CANDIDATE, evaluate, thirty_runs

PROGRAM = installed()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")

_CARDS = (
    "Math.max(...[...document.querySelectorAll('.card')].map(card => card.getBoundingClientRect().bottom))"
)
_UNFOLD = "document.querySelectorAll('details').forEach(one => one.open = true)"
_BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def pages(inputs: ReportInputs, day: HeldOutDay, tiny_preset: Preset) -> dict[str, str]:
    """A kept candidate with all that a page can show, in long numbers; a promoted one; a line's first run."""
    errors = dict.fromkeys(variants(), 0.1234)
    ablated = evaluate(day, tiny_preset, mtmd=0.1, **errors)
    keys = {f"{name}, seed 0": "1" * 64 for name in variants()}
    whole = replace(inputs, ablations=(ablated,), untrained=("post_norm, seed 0: a reason",), variants=keys)
    whole = replace(
        whole,
        tested=planted(unconstrained=True, HDR=30.0),
        past=thirty_runs(),
    )
    gates = tuple(gate.model_copy(update={"passed": True}) for gate in inputs.verdict.gates)
    promoted = inputs.verdict.model_copy(update={"gates": gates})
    first = inputs.verdict.model_copy(update={"champion": None, "gates": gates[:1]})
    alone = evaluate(day, tiny_preset, mtmd=0.1, per_slice=0.2, constant=1.0)
    return {
        "page-kept": render_report(whole),
        "page-promoted": render_report(replace(whole, verdict=promoted, words="promoted", live=CANDIDATE)),
        "page-first": render_report(
            replace(inputs, evaluation=alone, verdict=first, words="promoted", live=CANDIDATE)
        ),
    }


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    assert PROGRAM is not None
    with opened(PROGRAM, tmp_path) as browser:
        yield browser


def test_it_fits_the_screen_and_can_be_read_on_it(
    browser: Browser, tmp_path: Path, pages: dict[str, str]
) -> None:
    """As it opens, and unfolded."""
    page, links = browser.page, Links()
    for name, html in pages.items():
        assert len(html.encode()) < 400_000
        (tmp_path / f"{name}.html").write_text(html)
        page.goto((tmp_path / f"{name}.html").as_uri())
        view(page, 1440, "light")
        assert page.evaluate(_CARDS) <= 900  # the five answers, without scrolling
        assert page.evaluate(_BACKGROUND) == "rgb(246, 247, 249)"
        assert list(in_every_view(browser, f"{name}-folded")) == []
        page.evaluate(_UNFOLD)
        assert list(in_every_view(browser, name, views=(*VIEWS, (1280, "light"), (1920, "light")))) == []
        assert links.dead(page) == []
        view(page, 1440, "dark")
        assert page.evaluate(_BACKGROUND) == "rgb(18, 21, 26)"
    assert page.locator("svg").count() > 20
    assert {asked.partition("/page-")[0] for asked in browser.elsewhere} == {tmp_path.as_uri()}
