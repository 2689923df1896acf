"""The small lines of the last runs: where their marks are, and what they say."""

import re
import xml.etree.ElementTree as ET
from datetime import date, timedelta

import pytest

from mtmd.config import GatesConfig
from mtmd.report.page.trend import Sparkline, sparklines
from mtmd.report.trend import TrendPoint
from tests.report.page.conftest import thirty_runs

GATES = GatesConfig(calibration_low=0.8, calibration_high=1.25)
DAY = date(2026, 1, 1)


def _points(*logmae: float | None) -> list[TrendPoint]:
    return [
        TrendPoint(as_of=DAY + timedelta(days=n), verdict="promoted", logmae=value)
        for n, value in enumerate(logmae)
    ]


def _first(points: list[TrendPoint]) -> Sparkline:
    return next(iter(sparklines(points, GATES)))


def test_a_line_is_where_its_numbers_are() -> None:
    """250 wide with 7 at each side: two runs are at 66 and 184; the values at the bottom (61) and at the top (14)."""
    found = _first(_points(0.4, 0.5))
    assert (found.name, found.latest, found.span) == ("LogMAE, all tasks", "0.500", "0.400 to 0.500")
    drawing = ET.fromstring(str(found.svg))
    (line,) = [e for e in drawing.iter() if e.tag.endswith("polyline")]
    assert line.attrib["points"] == "66.0,61.0 184.0,14.0"
    dots = [(e.attrib["cx"], e.attrib["cy"]) for e in drawing.iter() if e.tag.endswith("circle")]
    assert dots == [("66.0", "61.0"), ("184.0", "14.0")]


def test_a_run_without_a_number_is_a_gap_and_a_quantity_without_any_says_so() -> None:
    found = list(sparklines(_points(0.4, None, 0.5, 0.6), GATES))
    assert str(found[0].svg).count("<polyline") == 1
    assert str(found[0].svg).count("<circle") == 3
    assert [one.latest for one in found[1:]] == ["not recorded"] * 4
    assert list(sparklines([], GATES)) == []


def test_what_came_of_a_run_has_its_own_shape_and_words() -> None:
    logmae, calibration, auc, rows, _ = sparklines(thirty_runs(), GATES)
    text = str(logmae.svg)
    assert [text.count(f'class="{kind}"') for kind in ("promoted", "kept", "stopped", "promoted down")] == [
        23,
        4,
        2,
        1,
    ]
    assert text.count("<path") == 1
    assert "2026-01-07: promoted, rolled back later, 0.385" in text
    assert "2026-01-11: stopped by the data suites (2 in data suites: ads has_rows)" in text
    assert calibration.latest == "0.95 · 1.10"
    assert len(re.findall(r'<line[^>]*class="bound"', str(calibration.svg))) == 2
    assert text.count('<polyline points="') == 6  # own and its bound, in three stretches each
    assert (auc.tasks, rows.latest) == (("ctr", "gctr", "octr"), "1,461,000")


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_a_line_that_never_moves_is_flat_and_in_the_middle(value: float) -> None:
    found = _first(_points(value, value))
    assert found.span == f"always {value:.3f}"
    assert 'points="66.0,37.5 184.0,37.5"' in str(found.svg)
