"""The promotion gates: in order, each with the slices and numbers that decided it.

A gate is an entry of QUALITY or WORKING. An extra adds one that compares a further registered model (seam `rivals`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydantic import Field

from mtmd import extension
from mtmd.config import Frozen, GatesConfig
from mtmd.config.preset import Extras
from mtmd.errors import RegistryError
from mtmd.evaluate.metrics import RECALL, Metric, applies
from mtmd.evaluate.report import EvaluationReport
from mtmd.export.parity import Proof
from mtmd.promote.findings import GateResult, Verdict
from mtmd.promote.slice_gates import against, calibrated

CONSTANT, CHAMPION, BASELINE = "constant", "champion", "per_slice"


class GateInputs(Frozen):
    """Everything that the gates look at."""

    candidate: str = Field(description="model id of the candidate")
    champion: str | None = Field(description="model id of the champion; None before the first promotion")
    left_out: str | None = Field(None, description="why the champion is not compared, where it is not")
    further: dict[str, str] = Field(
        {}, description="model ids of further registered models that are compared"
    )
    data_passed: bool
    training_finite: bool
    evaluation: EvaluationReport
    parity: Proof
    fresh_process: Proof
    gates: GatesConfig
    extras: Extras = Field(Extras(), description="settings of extras, whose gates may have bounds there")
    without_baseline: bool = Field(
        False, description="the preset never trains per-slice baselines: rivals.per_slice.every_days is 0"
    )


@dataclass(frozen=True)
class Gate:
    """One question about a candidate.

    judge        the answer; None where the question does not arise
    overridable  it asks how good the candidate is; the others ask whether it works at all
    """

    name: str
    judge: Callable[[GateInputs], GateResult | None]
    overridable: bool = False


def apply_gates(inputs: GateInputs, override: str | None = None) -> Verdict:
    """Apply every gate to a candidate, in order; one that fails does not hide the later ones.

    `override`, a person's reason, lets a candidate pass that fails overridable gates only: never data, training, parity
    or the fresh process. Raises RegistryError for a blank reason.
    """
    if override is not None and not override.strip():
        raise RegistryError("an override needs a reason; it is written into the history")
    further = [gate for there in extension.modules("rivals").values() for gate in there.GATES]
    gates = tuple(_asked((*QUALITY, *further, *WORKING), inputs))
    return Verdict(override=override, candidate=inputs.candidate, champion=inputs.champion, gates=gates)


def _asked(gates: Iterable[Gate], inputs: GateInputs) -> Iterator[GateResult]:
    for gate in gates:
        if (result := gate.judge(inputs)) is not None:
            yield result.model_copy(update={"overridable": gate.overridable})


def _data(inputs: GateInputs) -> GateResult:
    detail = "every suite passed" if inputs.data_passed else "a suite failed; see the data quality report"
    return GateResult(name="data suites", passed=inputs.data_passed, detail=detail)


def _training(inputs: GateInputs) -> GateResult:
    """Finite, in no slice shown worse than the constant, and better than it in every task."""
    if not inputs.training_finite:
        return GateResult(name="training", passed=False, detail="a loss or a weight is not finite")
    return against("training", CONSTANT, 0.0, inputs.evaluation, inputs.gates, whole_better=True)


def _champion(inputs: GateInputs) -> GateResult:
    return _against_champion("champion", inputs, inputs.gates.champion_tolerance)


def _recall(inputs: GateInputs) -> GateResult | None:
    """Asked where a preset has a tolerance; requests that no cut makes smaller are not looked at."""
    if (tolerance := inputs.gates.recall_tolerance) is None:
        return None
    report = inputs.evaluation
    if not any(applies(RECALL, report, where) for where in report.aggregates):
        return GateResult.not_applicable(
            "recall", "it needs scores of all candidates; all tasks learn from actions"
        )
    result = _against_champion("recall", inputs, tolerance, RECALL)
    if result.slices and not any(one.judged for one in result.slices):
        most = f"only requests with more than {inputs.evaluation.kept} candidates count"
        detail = f"{result.detail}; {most}: lower evaluation.kept, or leave out gates.recall_tolerance"
        result = result.model_copy(update={"detail": detail})
    return result


def _against_champion(
    name: str, inputs: GateInputs, tolerance: float, metric: Metric | None = None
) -> GateResult:
    if inputs.champion is None:
        return GateResult.not_applicable(name, "there is no champion to compare with")
    if inputs.left_out:
        return GateResult.not_applicable(name, inputs.left_out)
    return against(name, CHAMPION, tolerance, inputs.evaluation, inputs.gates, metric=metric)


def _baseline(inputs: GateInputs) -> GateResult:
    """Against the per-slice baselines, of the day or of the latest day that trained them."""
    if inputs.without_baseline:
        detail = (
            "not compared: rivals.per_slice.every_days is 0, so nothing is known of the per-slice baselines"
        )
        return GateResult.not_applicable("baseline", detail)
    gates = inputs.gates
    return against("baseline", BASELINE, gates.baseline_tolerance, inputs.evaluation, gates)


def _proof(name: str, proof: Proof) -> GateResult:
    return GateResult(name=name, passed=proof.passed, detail=proof.detail)


# In the order that people read them: data and how good the candidate is, then whether its files work.
QUALITY = (
    Gate("data suites", _data),
    Gate("training", _training),
    Gate("champion", _champion, overridable=True),
    Gate("recall", _recall, overridable=True),
    Gate("baseline", _baseline, overridable=True),
    Gate("calibration", lambda it: calibrated("calibration", it.evaluation, it.gates), overridable=True),
)
WORKING = (
    Gate("parity", lambda it: _proof("parity", it.parity)),
    Gate("fresh process", lambda it: _proof("fresh process", it.fresh_process)),
)
