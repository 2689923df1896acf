"""The last runs as numbers, from records that are written by hand."""

from datetime import timedelta

import pytest

from mtmd.report.trend import TrendPoint, furthest, trend
from mtmd.store.files import read_json, write_json
from tests.inspect.conftest import FIRST, SECOND, Line, build, line, metrics, two_models

__all__ = ["build", "line", "two_models"]


def _with_report(line: Line, run: str, logmae: float, champion: float, **changes: object) -> None:
    """Add the evaluation of a run: `ctr` over all slices, and one slice that the calibration gate judged."""
    own = metrics(SECOND, logmae, **changes).model_dump(mode="json")
    rival = metrics(SECOND, champion, predictor="champion").model_dump(mode="json")
    path = line.workspace.root / "runs" / run / "summary.json"
    summary = read_json(path)
    finding = {"surface": "search", "product": "standard", "task": "ctr", "decision": "not shown wrong"}
    unjudged = finding | {"surface": "all", "product": "all", "decision": "not enough data"}
    summary["report"] = own | {"metrics": own["metrics"] + rival["metrics"]}
    summary["verdict"]["gates"].append(
        {"name": "calibration", "passed": True, "detail": "", "slices": [finding, unjudged]}
    )
    write_json(path, summary)


def test_a_run_has_its_candidates_numbers_and_the_champions_bound(two_models: Line) -> None:
    line = two_models
    run = line.decide("20260126-b1", SECOND, preset={"name": "tiny", "gates": {"champion_tolerance": 0.02}})
    _with_report(line, run.name, 0.4, 0.5)
    (point,) = trend(line.workspace, SECOND)
    assert (point.as_of, point.verdict, point.model_id) == (SECOND, "promoted", "20260126-b1")
    assert point.logmae == pytest.approx(0.4)
    assert point.bound == pytest.approx(0.5 * 1.02)
    assert point.calibration == pytest.approx((1.5, 1.5))
    assert point.auc == {"ctr": 0.75}
    assert (point.rows, point.training_seconds, point.rolled_back) == (12_345, 61.6, False)


def test_runs_are_in_the_order_of_their_days_and_none_is_after_the_last_one(two_models: Line) -> None:
    line = two_models
    line.decide("20260126-b1", SECOND)
    line.decide("20260125-a1", FIRST, failed=("champion",))  # decided later, of an earlier day
    line.stop(SECOND + timedelta(days=1), "has_rows")
    line.decide("20260128-c1", SECOND + timedelta(days=2))
    found = trend(line.workspace, SECOND + timedelta(days=1))
    assert [(point.as_of, point.verdict) for point in found] == [
        (FIRST, "kept"),
        (SECOND, "promoted"),
        (SECOND + timedelta(days=1), "stopped"),
    ]
    assert [point.reason for point in found] == ["champion", "", "1 in data suites: ads has_rows"]
    assert found[0] == TrendPoint(as_of=FIRST, verdict="kept", model_id="20260125-a1", reason="champion")
    assert trend(line.workspace, SECOND + timedelta(days=1), last=1) == found[-1:]
    assert trend(line.workspace, FIRST - timedelta(days=1)) == ()


def test_a_model_that_was_taken_down_is_marked_until_it_is_reinstated(two_models: Line) -> None:
    line = two_models
    line.decide("20260125-a1", FIRST)
    # the other models' ids begin alike: they are of one content
    line.model("other", SECOND, metrics(SECOND, 0.4))
    line.decide("other", SECOND)
    line.registry.promote("other", SECOND, "all gates passed", 1)
    line.registry.rollback("odd ads", lambda _: None)
    assert [point.rolled_back for point in trend(line.workspace, SECOND)] == [False, True]
    line.registry.reinstate("other", "it was the logs")
    assert [point.rolled_back for point in trend(line.workspace, SECOND)] == [False, False]


def test_the_furthest_ratio_counts_either_side_alike() -> None:
    assert furthest([0.5, 1.9]) == 0.5
    assert furthest([0.9, 1.2]) == 1.2
