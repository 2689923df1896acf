"""Whether the gates would have decided otherwise under the bounds of the champion's run."""

from typing import Any

from mtmd.config import GatesConfig
from mtmd.evaluate.report import EvaluationReport
from mtmd.export.fresh_process import FreshProcessReport
from mtmd.export.parity import ParityReport
from mtmd.promote.gates import GateInputs, apply_gates
from mtmd.registry.records import RunOrigin
from mtmd.report.former_rules import FormerRules, former_rules
from tests.report.page.conftest import CANDIDATE, CHAMPION, GATES, day, parity, report

__all__ = ["day", "parity", "report"]


def _origin(gates: Any) -> RunOrigin:
    preset = {"name": "tiny"} if gates is None else {"name": "tiny", "gates": gates}
    return RunOrigin(
        preset=preset, formats={}, git_commit=None, packages={}, window_rows=1, training_seconds=1.0
    )


def _rules(report: EvaluationReport, parity: ParityReport, former: Any) -> FormerRules:
    """The candidate is 25 % worse than the champion, with calibration e^−0.1 = 0.905, within the bounds of GATES."""
    fresh = FreshProcessReport(
        bundle_id="b", requests=2, ads=8, score_delta=0.0, seconds=1.0, passed=True, detail="it answered"
    )
    inputs = GateInputs(
        candidate=CANDIDATE, champion=CHAMPION, data_passed=True, training_finite=True, evaluation=report,
        parity=parity, fresh_process=fresh, gates=GATES,
    )  # fmt: skip
    return former_rules(_origin(former), inputs, apply_gates(inputs))


def test_a_gate_that_would_have_passed_and_one_that_would_have_failed_are_named(
    report: EvaluationReport, parity: ParityReport
) -> None:
    """LogMAE 0.1 against 0.08 is within 30 %; 0.905 is below a bound of 0.95; a score's 1e−8 is above 1e−9."""
    former = {
        "min_requests": 10,
        "champion_tolerance": 0.3,
        "calibration_low": 0.95,
        "parity_score": 1e-9,
        "gone": 1,
    }
    found = _rules(report, parity, former)
    assert found.changed == (
        ("champion_tolerance", "0.3", "0.01"),
        ("calibration_low", "0.95", "0.8"),
        ("parity_score", "1e-09", "1e-05"),
    )
    assert [(one.gate, one.now, one.former) for one in found.otherwise] == [
        ("champion", "fail", "pass"),
        ("calibration", "pass", "fail"),
        ("parity", "pass", "fail"),
    ]
    assert found.otherwise[1].detail.startswith("15 of 15 slices are not calibrated")
    assert found.words == (
        "under the bounds of the champion's run the champion gate would have passed, the calibration and parity gates "
        "would have failed"
    )
    assert found.note.startswith("Under the bounds of the champion's run the champion")


def test_bounds_that_change_no_decision_say_that(report: EvaluationReport, parity: ParityReport) -> None:
    found = _rules(report, parity, {"min_requests": 10, "significance": 0.1, "top_k": 5})
    assert found.words == "under the bounds of the champion's run every gate would have decided the same"
    assert found.otherwise == ()
    assert found.note.endswith("top_k can't be changed afterwards.")


def test_the_same_bounds_and_unknown_ones_say_nothing_on_the_first_screen(
    report: EvaluationReport, parity: ParityReport
) -> None:
    same = _rules(report, parity, GatesConfig(min_requests=10).model_dump(mode="json"))
    assert (same.words, same.note) == ("", "The bounds of the gates are those of the champion's run.")
    for unknown in (None, "lost", {"significance": 7}):
        found = _rules(report, parity, unknown)
        assert (found.words, found.changed) == ("", ())
        assert found.note.startswith("not applicable: the champion's run has no record")
