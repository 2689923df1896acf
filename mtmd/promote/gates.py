"""The promotion gates: in order, each with the slices and numbers that decided it.

A gate is an entry of QUALITY or WORKING. An extra adds one that compares a further registered model (seam `rivals`), or
hands in the result of a test of its own (`GateInputs.tested`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from mtmd import extension
from mtmd.config import Frozen, GatesConfig
from mtmd.config.preset import Extras
from mtmd.errors import RegistryError
from mtmd.evaluate.report import EvaluationReport
from mtmd.export.fresh_process import FreshProcessReport
from mtmd.export.parity import ParityReport
from mtmd.promote.findings import GateResult
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
    tested: tuple[GateResult, ...] = Field(
        (), description="results of tests that extras made of the candidate"
    )
    parity: ParityReport
    fresh_process: FreshProcessReport
    gates: GatesConfig
    extras: Extras = Field(Extras(), description="settings of extras, whose gates may have bounds there")
    without_baseline: bool = Field(
        False, description="the preset never trains per-slice baselines: rivals.per_slice.every_days is 0"
    )


class Verdict(Frozen):
    """Whether the candidate may go live, and why."""

    candidate: str
    champion: str | None
    gates: tuple[GateResult, ...]
    refusal: str | None = Field(None, description="why the registry, or the run's caller, said no after all")
    override: str | None = Field(
        None, description="a person's reason to promote although overridable gates failed"
    )
    promotion: str | None = Field(None, description="the history's reason, where an earlier run promoted it")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the gates that did not pass."""
        return tuple(gate.name for gate in self.gates if not gate.passed)

    @property
    def tally(self) -> str:
        """`6 of 6 pass, 1 not applicable`: of the gates that had something to judge, and how many had not."""
        judged = [gate for gate in self.gates if gate.applicable]
        others = len(self.gates) - len(judged)
        words = f"{sum(gate.passed for gate in judged)} of {len(judged)} pass"
        return words + (f", {others} not applicable" if others else "")

    @property
    def unjudged(self) -> str:
        """What no gate could say; empty where every gate judged every slice that it looks at.

        `the champion gate had nothing to judge; 5 of 15 slices had too little data to judge`
        """
        said = [f"the {gate.name} gate had nothing to judge" for gate in self.gates if not gate.applicable]
        slices = {one.slice for gate in self.gates for one in gate.slices if not one.is_task}
        if without := {one.slice for gate in self.gates for one in gate.unjudged}:
            said.append(f"{len(without)} of {len(slices)} slices had too little data to judge")
        return "; ".join(said)

    @property
    def passed(self) -> bool:
        """Whether every gate passed, or those that did not were overridden."""
        return not self.failed or (
            self.override is not None and all(gate.passed or gate.overridable for gate in self.gates)
        )

    @property
    def promoted(self) -> bool:
        return self.passed and self.refusal is None

    def words(self) -> str:
        """`promoted`, or `kept champion X because …` with the first failed gate in full."""
        if self.promoted:
            return "promoted" if not self.failed else f"promoted by {self.reason()}"
        failed = [gate for gate in self.gates if not gate.passed and not self.passed]
        reason = f"{failed[0].name}: {failed[0].detail}" if failed else str(self.refusal)
        if len(failed) > 1:
            reason += f" (also failed: {', '.join(gate.name for gate in failed[1:])})"
        if self.override is not None and failed:
            lets = ", ".join(gate.name for gate in self.gates if gate.overridable)
            reason += f"; the override ({self.override}) was ignored: it lets only {lets} pass"
        if self.promotion is not None:
            return f"{self.candidate} was promoted before ({self.promotion}), which stands, although {reason}"
        kept = f"kept champion {self.champion}" if self.champion else "promoted nothing (no champion yet)"
        return f"{kept} because {reason}"

    def reason(self) -> str:
        """What the history says of the promotion."""
        if not self.failed:
            others = [gate.name for gate in self.gates if not gate.applicable]
            return "all gates passed" + (f"; not applicable: {', '.join(others)}" if others else "")
        return f"override ({self.override}) of failed gates: {', '.join(self.failed)}"


@dataclass(frozen=True)
class Gate:
    """One question about a candidate.

    judge        the answer; None where the question does not arise
    overridable  it asks how good the candidate is; the others ask whether it works at all
    """

    name: str
    judge: Callable[[GateInputs], GateResult | None]
    overridable: bool = False

    def ask(self, inputs: GateInputs) -> tuple[GateResult, ...]:
        """The answer, if there is one."""
        result = self.judge(inputs)
        return () if result is None else (result.model_copy(update={"overridable": self.overridable}),)


def apply_gates(inputs: GateInputs, override: str | None = None) -> Verdict:
    """Apply every gate to a candidate, in order; one that fails does not hide the later ones.

    `override`, a person's reason, lets a candidate pass that fails overridable gates only: never data, training, parity
    or the fresh process. Raises RegistryError for a blank reason.
    """
    if override is not None and not override.strip():
        raise RegistryError("an override needs a reason; it is written into the history")
    further = [gate for there in extension.modules("rivals").values() for gate in there.GATES]
    answers = [answer for gate in (*QUALITY, *further) for answer in gate.ask(inputs)]
    answers += [*inputs.tested, *(answer for gate in WORKING for answer in gate.ask(inputs))]
    return Verdict(
        override=override,
        candidate=inputs.candidate,
        champion=inputs.champion,
        gates=tuple(answers),
    )


def _data(inputs: GateInputs) -> GateResult:
    detail = "every suite passed" if inputs.data_passed else "a suite failed; see the data quality report"
    return GateResult(name="data suites", passed=inputs.data_passed, detail=detail)


def _training(inputs: GateInputs) -> GateResult:
    """Finite, in no slice shown worse than the constant, and better than it in every task."""
    if not inputs.training_finite:
        return GateResult(name="training", passed=False, detail="a loss or a weight is not finite")
    return against("training", CONSTANT, 0.0, inputs.evaluation, inputs.gates, whole_better=True)


def _champion(inputs: GateInputs) -> GateResult:
    if inputs.champion is None:
        return GateResult.not_applicable("champion", "there is no champion to compare with")
    if inputs.left_out:
        return GateResult.not_applicable("champion", inputs.left_out)
    return against("champion", CHAMPION, inputs.gates.champion_tolerance, inputs.evaluation, inputs.gates)


def _baseline(inputs: GateInputs) -> GateResult:
    """Against the per-slice baselines, of the day or of the latest day that trained them."""
    if inputs.without_baseline:
        detail = (
            "not compared: rivals.per_slice.every_days is 0, so nothing is known of the per-slice baselines"
        )
        return GateResult.not_applicable("baseline", detail)
    gates = inputs.gates
    return against("baseline", BASELINE, gates.baseline_tolerance, inputs.evaluation, gates)


def _calibration(inputs: GateInputs) -> GateResult:
    return calibrated("calibration", inputs.evaluation, inputs.gates)


def _parity(inputs: GateInputs) -> GateResult:
    return GateResult(name="parity", passed=inputs.parity.passed, detail=inputs.parity.worst)


def _fresh_process(inputs: GateInputs) -> GateResult:
    fresh = inputs.fresh_process
    return GateResult(name="fresh process", passed=fresh.passed, detail=fresh.detail)


# In the order that people read them: data and how good the candidate is, then whether its files work.
QUALITY = (
    Gate("data suites", _data),
    Gate("training", _training),
    Gate("champion", _champion, overridable=True),
    Gate("baseline", _baseline, overridable=True),
    Gate("calibration", _calibration, overridable=True),
)
WORKING = (Gate("parity", _parity), Gate("fresh process", _fresh_process))
