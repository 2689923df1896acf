"""Bins and intervals by hand; drawings by their geometry."""

import xml.etree.ElementTree as ET

import pytest

from mtmd.config import Slice
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.report.page.calibration import panels, slice_bins, wilson
from tests.report.page.conftest import changed


def test_wilson_by_hand() -> None:
    """10 of 100 at 95 %: (0.1 + 0.0192073 ± 1.959964 · √(0.0009 + 0.00009604)) / 1.0384146."""
    assert wilson(10, 100, 0.95) == pytest.approx((0.055229, 0.174366), abs=1e-6)
    assert wilson(0, 0, 0.95) == (0.0, 1.0)
    assert wilson(0, 10, 0.95)[0] == pytest.approx(0.0, abs=1e-12)


def _metrics(bucket: int | None, **other: float | None) -> SliceMetrics:
    values: dict[str, float | None] = {
        "mean_prediction": 0.2, "mean_teacher": 0.25, "impressions": 100, "positives": 10, "calibration": 1.5,
    }  # fmt: skip
    blank = dict.fromkeys(("logmae", "kl", "mae", "bce", "auc", "log_loss"))
    where = {"predictor": "mtmd", "surface": "search", "product": "standard", "task": "ctr"}
    return SliceMetrics.model_validate(
        where | blank | values | other | {"bucket": bucket, "rows": 9, "requests": 9}
    )


@pytest.fixture
def small(report: EvaluationReport) -> EvaluationReport:
    """One slice with two buckets: one full, one empty."""
    empty = dict.fromkeys(("mean_prediction", "mean_teacher", "calibration"))
    metrics = (_metrics(None), _metrics(0), _metrics(1, **empty))
    return changed(report, metrics=metrics, buckets=2)


def test_a_bin_has_means_and_what_was_shown(small: EvaluationReport) -> None:
    """10 % acted and predictions were 1.5 times that: 15 % was predicted for what was shown."""
    (only,) = slice_bins(small, Slice("search", "standard", "ctr"))
    assert (only.predicted, only.teacher, only.rate) == (0.2, 0.25, 0.1)
    assert only.shown == pytest.approx(0.15)
    assert (only.low, only.high) == pytest.approx((0.055229, 0.174366), abs=1e-6)


def test_a_bin_without_actions_shows_no_rate(small: EvaluationReport) -> None:
    quiet = _metrics(0, positives=0, calibration=None)
    found = changed(small, metrics=(_metrics(None), quiet, small.metrics[2]))
    (only,) = slice_bins(found, Slice("search", "standard", "ctr"))
    assert (only.shown, only.rate) == (None, 0.0)
    (panel,) = panels(found).panels
    assert 'class="action' not in panel.svg


def test_a_panel_draws_what_is_predicted_too_low_above_the_line(small: EvaluationReport) -> None:
    drawn = panels(small)
    (panel,) = drawn.panels
    assert (panel.task, panel.name) == ("ctr", "search × standard")
    assert panel.ratios == ("0.80 × teacher", "1.50 × actions")
    root = ET.fromstring(str(panel.svg))
    ideal = next(e for e in ET.fromstring(str(drawn.axes)).iter() if e.attrib.get("class") == "ideal")
    dots = next(e for e in root if e.attrib.get("class") == "teacher dots")
    x, y = dots.attrib["d"].removeprefix("M").removesuffix("h0").split()
    x0, y0, x1, y1 = (float(ideal.attrib[key]) for key in ("x1", "y1", "x2", "y2"))
    on_the_line = y0 + (float(x) - x0) / (x1 - x0) * (y1 - y0)
    assert float(y) < on_the_line - 1.0  # y grows downwards


def test_every_slice_and_aggregate_has_a_panel_of_one_scale(report: EvaluationReport) -> None:
    drawn = panels(report)
    found = drawn.panels
    assert len(found) == 15 + 3
    assert [one.name for one in found if one.task == "octr"] == [
        "all × all", "home_feed × standard", "search × standard", "related_pin × standard",
    ]  # fmt: skip
    assert {str(one.svg).count('<use href="#calibration-axes"/>') for one in found} == {1}
    ticks = [e.text for e in ET.fromstring(str(drawn.axes)).iter() if e.tag.endswith("text")]
    assert str(drawn.axes).count('id="calibration-axes"') == 1
    assert len(ticks) >= 4


def test_without_rows_there_is_no_panel(small: EvaluationReport) -> None:
    empty = small.metrics[2]
    bare = changed(small, metrics=(_metrics(None), empty.model_copy(update={"bucket": 0}), empty))
    assert panels(bare).panels == ()
