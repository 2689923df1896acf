"""Each gate, its words, and the verdict."""

import math
from datetime import date
from typing import Any

import pytest

from mtmd.config import GatesConfig, Slice
from mtmd.errors import RegistryError
from mtmd.evaluate.metrics import LOGMAE, RECALL, Metric
from mtmd.evaluate.report import ALL, Comparison, EvaluationReport, SliceMetrics
from mtmd.export.parity import Proof
from mtmd.promote.findings import GateResult, Verdict
from mtmd.promote.gates import GateInputs, apply_gates

SEARCH = Slice("search", "standard", "ctr")
HOME = Slice("home_feed", "shopping", "ctr")
TOTAL = Slice(ALL, ALL, "ctr")
GATES = GatesConfig(champion_tolerance=0.03)
SPREAD = 0.01  # standard error of every log ratio


def metrics(predictor: str, where: Slice, **values: Any) -> SliceMetrics:
    usual: dict[str, Any] = {
        "rows": 1000, "requests": 100, "logmae": 0.4, "mean_prediction": 0.1, "mean_teacher": 0.1, "positives": 90,
        "recall": 0.9,
        "errors": {"teacher_calibration": 0.04},
    }  # fmt: skip
    return SliceMetrics(predictor=predictor, **where._asdict(), bucket=None, **(usual | values))


def evaluation(
    *, has_champion: bool = True, requests: float = 500.0, **changed: dict[str, Any]
) -> EvaluationReport:
    """LogMAE of MTMD 0.4, champion 0.4, per_slice 0.5, constant 0.8; `changed` and `requests` are of `search`."""
    usual = {"mtmd": 0.4, "champion": 0.4, "per_slice": 0.5, "constant": 0.8}
    if not has_champion:
        del usual["champion"]
    usual |= dict.fromkeys(changed.keys() - usual.keys(), 0.4)
    rows = {
        (name, where): metrics(
            name, where, **({"logmae": value} | (changed.get(name, {}) if where == SEARCH else {}))
        )
        for name, value in usual.items()
        for where in (SEARCH, HOME, TOTAL)
    }
    return EvaluationReport(
        as_of=date(2026, 1, 5),
        candidate="mtmd",
        predictors=tuple(usual),
        buckets=5,
        kept=8,
        metrics=tuple(rows.values()),
        comparisons=tuple(
            comparison(rows["mtmd", where], rival, requests if where == SEARCH else 500.0, metric)
            for (name, where), rival in rows.items()
            for metric in (LOGMAE, RECALL)
            if name != "mtmd"
        ),
        confidence=0.95,
    )


def comparison(own: SliceMetrics, rival: SliceMetrics, requests: float, metric: Metric) -> Comparison:
    """As the bootstrap would have it for metrics whose log ratio has the standard error SPREAD."""
    ratio = None
    if (above := metric.of(own)) is not None and (below := metric.of(rival)) is not None:
        ratio = math.log(above / below) * (1 if metric.better == "lower" else -1)
    return Comparison(
        reference=rival.predictor,
        metric=metric.name,
        **own.slice._asdict(),
        bucket=None,
        requests=requests,
        log_ratio=ratio,
        standard_error=SPREAD,
        low=None if ratio is None else -math.expm1(ratio + 1.96 * SPREAD),
        high=None if ratio is None else -math.expm1(ratio - 1.96 * SPREAD),
    )


SOUND = Proof(passed=True, detail="it holds")


def inputs(**changed: Any) -> GateInputs:
    usual = {"candidate": "new", "champion": "old", "data_passed": True, "training_finite": True}
    made = {"evaluation": evaluation(), "parity": SOUND, "fresh_process": SOUND, "gates": GATES}
    return GateInputs(**(usual | made | changed))


def gate(verdict: Verdict, name: str) -> GateResult:
    return next(one for one in verdict.gates if one.name == name)


def test_a_candidate_that_holds_everything_is_promoted() -> None:
    verdict = apply_gates(inputs())
    assert verdict.promoted
    assert verdict.words() == "promoted"
    assert not verdict.model_copy(update={"refusal": "it was rolled back"}).promoted
    names = ["data suites", "training", "champion", "baseline", "calibration", "parity", "fresh process"]
    assert [one.name for one in verdict.gates] == names
    assert gate(verdict, "baseline").detail == ("none of 3 slices and tasks is shown worse than the baseline")


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"data_passed": False}, "data suites", "a suite failed"),
        ({"training_finite": False}, "training", "a loss or a weight is not finite"),
        ({"evaluation": evaluation(constant={"logmae": 0.38})}, "training",
         "1 of 3 slices and tasks are worse than the constant, or not shown better over a task's slices: "
         "search × standard × ctr: LogMAE 0.4, constant 0.38: −5.3%"),
        # ln(0.44/0.4/1.03) is 6.6 standard errors
        ({"evaluation": evaluation(mtmd={"logmae": 0.44})}, "champion",
         "1 of 3 slices and tasks are worse than the champion by more than 3%: "
         "search × standard × ctr: LogMAE 0.44, champion 0.4: −10.0% [−12.2%, −7.9%], p < 0.0001"),
        # ln(0.4/0.39) is 2.5 standard errors: p 0.0057, of three
        ({"evaluation": evaluation(per_slice={"logmae": 0.39})}, "baseline",
         "1 of 3 slices and tasks are worse than the baseline: search × standard × ctr: LogMAE 0.4, "
         "baseline 0.39: −2.6%"),
        ({"evaluation": evaluation(mtmd={"mean_prediction": 0.07})}, "calibration",
         "1 of 2 slices and tasks are not calibrated: search × standard × ctr: mean prediction / mean teacher 0.7 "
         "[0.647, 0.757], between 0.8 and 1.25, p 0.00084"),
        ({"evaluation": evaluation(mtmd={"mean_prediction": 0.15})}, "calibration",
         "1 of 2 slices and tasks are not calibrated: search × standard × ctr: mean prediction / mean teacher 1.5"),
        ({"evaluation": evaluation(mtmd={"mean_prediction": None})}, "calibration", "mean teacher undefined"),
        ({"parity": Proof(passed=False, detail="scores differ by 2e-05")}, "parity", "scores differ by 2e-05"),
        ({"fresh_process": Proof(passed=False, detail="it died")}, "fresh process", "it died"),
    ],
)  # fmt: skip
def test_each_gate_stops_the_promotion_and_says_where_and_what(
    changed: dict[str, Any], name: str, words: str
) -> None:
    verdict = apply_gates(inputs(**changed))
    assert [one.name for one in verdict.gates if not one.passed] == [name]
    assert words in gate(verdict, name).detail
    assert verdict.words().startswith(f"kept champion old because {name}: ")
    assert words in verdict.words()


def test_what_chance_explains_does_not_block() -> None:
    """Worse by 1.5 standard errors than the baseline, and by less than the tolerance than the champion."""
    verdict = apply_gates(inputs(evaluation=evaluation(mtmd={"logmae": 0.404}, per_slice={"logmae": 0.398})))
    assert verdict.promoted
    found = {one.surface: one for one in gate(verdict, "baseline").slices}
    assert found["search"].decision == "not shown worse"
    assert found["home_feed"].decision == "better"
    assert found["search"].improvement == pytest.approx(1 - 0.404 / 0.398)
    assert (found["search"].own, found["search"].reference) == (0.404, 0.398)


def test_a_slice_with_few_requests_is_not_judged_and_says_so() -> None:
    verdict = apply_gates(inputs(evaluation=evaluation(mtmd={"logmae": 9.0}, requests=99.4)))
    assert verdict.promoted
    training = gate(verdict, "training")
    assert (
        training.detail
        == "none of 2 slices and tasks is shown worse than the constant, and every task is better over "
        "its slices; "
        "1 not judged (fewer than 100 effective requests)"
    )
    (finding,) = [one for one in training.slices if not one.judged]
    assert finding.decision == "not enough data"
    assert str(finding) == "search × standard × ctr: not judged (99 effective requests)"
    decisions = [one.decision for one in gate(verdict, "champion").slices]
    assert decisions == ["not enough data", "not shown worse", "not shown worse"]


def test_a_slice_with_few_actions_is_not_judged_where_the_teacher_learnt_from_them() -> None:
    few = evaluation(mtmd={"logmae": 9.0, "positives": 29})
    assert not apply_gates(inputs(evaluation=few)).promoted
    verdict = apply_gates(inputs(evaluation=few, gates=GATES.model_copy(update={"min_actions": 30})))
    baseline = gate(verdict, "baseline")
    (finding,) = [one for one in baseline.slices if not one.judged]
    assert str(finding) == "search × standard × ctr: not judged (29 actions)"
    assert baseline.detail.endswith("1 not judged (fewer than 100 effective requests or 30 actions)")


def test_a_gate_that_can_judge_no_slice_does_not_pass() -> None:
    verdict = apply_gates(inputs(gates=GATES.model_copy(update={"min_requests": 5000})))
    failed = [one.name for one in verdict.gates if not one.passed]
    assert failed == ["training", "champion", "baseline", "calibration"]
    assert (
        gate(verdict, "training").detail
        == "no slice has enough held-out data to be judged (fewer than 5000 effective requests); see [gates]"
    )


def test_recall_is_a_gate_where_a_preset_has_a_tolerance() -> None:
    """ln(0.9/0.85/1.01) is 4.7 standard errors; without a tolerance nobody asks, and LogMAE is as before."""
    worse = evaluation(mtmd={"recall": 0.85})
    assert "recall" not in [one.name for one in apply_gates(inputs(evaluation=worse)).gates]
    strict = GATES.model_copy(update={"recall_tolerance": 0.01})
    verdict = apply_gates(inputs(evaluation=worse, gates=strict))
    assert [one.name for one in verdict.gates][2:4] == ["champion", "recall"]
    assert verdict.failed == ("recall",)
    assert gate(verdict, "recall").detail.startswith(
        "1 of 3 slices and tasks are worse than the champion by more than 1%: search × standard × ctr: recall 0.85, "
        "champion 0.9: −5.9% ["
    )
    assert apply_gates(inputs(evaluation=worse, gates=strict), "a reason").promoted
    for recall in (0.86 / 0.85 * 0.9, 0.9, 0.895):  # better, equal, and less worse than the tolerance
        assert apply_gates(inputs(evaluation=evaluation(mtmd={"recall": recall}), gates=strict)).promoted
    first = inputs(champion=None, evaluation=evaluation(has_champion=False), gates=strict)
    assert gate(apply_gates(first), "recall").result == "not applicable"
    few = gate(
        apply_gates(inputs(evaluation=evaluation(mtmd={"recall": 0.1}, requests=99.0), gates=strict)),
        "recall",
    )
    assert few.passed
    assert few.detail.endswith("1 not judged (fewer than 100 effective requests)")
    none = inputs(gates=strict.model_copy(update={"min_requests": 5000}))
    told = gate(apply_gates(none), "recall").detail
    assert told.endswith("only requests with more than 8 candidates count: lower evaluation.kept, or leave out "
                         "gates.recall_tolerance")  # fmt: skip


def test_the_training_must_be_shown_better_than_the_constant_over_a_task() -> None:
    """As good as the constant is not enough over all slices, and no failure in one slice."""
    whole = evaluation()
    pairs = [
        one.model_copy(update={"low": -0.001})
        if one.reference == "constant" and one.surface in {ALL, "search"}
        else one
        for one in whole.comparisons
    ]
    report = EvaluationReport.model_validate(whole.model_dump() | {"comparisons": pairs})
    found = gate(apply_gates(inputs(evaluation=report)), "training")
    assert not found.passed
    assert [one.decision for one in found.slices] == ["not shown worse", "better", "not shown better"]


def test_a_floor_is_not_missed_by_luck() -> None:
    """A little behind the constant in one slice, a little out of calibration: less than chance explains."""
    report = evaluation(constant={"logmae": 0.399}, mtmd={"mean_prediction": 0.078})
    assert apply_gates(inputs(evaluation=report)).promoted
    sure = evaluation(mtmd={"mean_prediction": 0.078, "errors": {"teacher_calibration": 0.005}})
    assert not gate(apply_gates(inputs(evaluation=sure)), "calibration").passed
    alone = evaluation(mtmd={"mean_prediction": 0.078, "errors": {}})
    # No spread: the number itself.
    assert not gate(apply_gates(inputs(evaluation=alone)), "calibration").passed


def test_a_finding_says_what_the_slice_could_have_shown() -> None:
    """Three slices at 5 %: 2.128 standard errors of 0.01 beyond the tolerance; just beyond it is found worse."""
    edge = -math.expm1(math.log(1.03) + 2.128 * SPREAD)
    found = gate(apply_gates(inputs()), "champion").slices[0]
    assert found.detectable == pytest.approx(edge, abs=1e-5)
    for share, decision in ((0.999, "not shown worse"), (1.001, "worse")):
        worse = evaluation(mtmd={"logmae": 0.4 * (1.0 - share * edge)})
        assert gate(apply_gates(inputs(evaluation=worse)), "champion").slices[0].decision == decision


def test_a_rival_that_was_not_evaluated_does_not_pass() -> None:
    verdict = apply_gates(inputs(evaluation=evaluation(has_champion=False)))
    assert gate(verdict, "champion").detail == "the evaluation has no predictor 'champion'; evaluate it"
    assert not verdict.passed


def test_a_baseline_of_an_earlier_day_says_its_age() -> None:
    aged = evaluation().model_copy(update={"ages": {"per_slice": 5}})
    verdict = gate(apply_gates(inputs(evaluation=aged)), "baseline")
    assert verdict.passed
    assert "the baseline of 5 days ago (weaker than one of today: passing says less)" in verdict.detail
    worse = evaluation(per_slice={"logmae": 0.3}).model_copy(update={"ages": {"per_slice": 5}})
    assert not gate(apply_gates(inputs(evaluation=worse)), "baseline").passed


def test_a_persons_reason_lets_slice_gates_pass_and_nothing_else() -> None:
    worse = inputs(evaluation=evaluation(mtmd={"logmae": 0.44}))
    verdict = apply_gates(worse, "the champion leaks")
    assert verdict.promoted
    assert verdict.failed == ("champion",)
    assert verdict.words() == "promoted by override (the champion leaks) of failed gates: champion"
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    broken = apply_gates(
        worse.model_copy(update={"parity": Proof(passed=False, detail="no")}), "the champion leaks"
    )
    assert not broken.promoted
    assert broken.words().startswith("kept champion old because champion: ")
    assert broken.words().endswith(
        "(also failed: parity); the override (the champion leaks) was ignored: it lets only champion, baseline, "
        "calibration pass"
    )
    assert apply_gates(inputs(), "not needed").reason() == "all gates passed"
    with pytest.raises(RegistryError, match="an override needs a reason"):
        apply_gates(worse, " ")
