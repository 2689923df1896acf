"""The promotion gates (design §8): in order, each with the slices and numbers that decided it."""

from pydantic import Field

from mtmd.config import Frozen, GatesConfig
from mtmd.errors import RegistryError
from mtmd.evaluation import EvaluationReport, SliceMetrics
from mtmd.export import FreshProcessReport, ParityReport
from mtmd.registry.slice_gates import GateResult, against, floor, number

CONSTANT, CHAMPION, BASELINE = "constant", "champion", "per_slice"
OVERRIDABLE = {"champion", "baseline", "calibration"}


class GateInputs(Frozen):
    """Everything that the gates look at; None where a stage did not run, which does not pass."""

    candidate: str = Field(description="model id of the candidate")
    champion: str | None = Field(description="model id of the champion; None before the first promotion")
    data_passed: bool
    training_finite: bool
    evaluation: EvaluationReport
    parity: ParityReport | None
    fresh_process: FreshProcessReport | None
    gates: GatesConfig


class Verdict(Frozen):
    """Whether the candidate may go live, and why."""

    candidate: str
    champion: str | None
    gates: tuple[GateResult, ...]
    refusal: str | None = Field(None, description="why the registry, or the run's caller, said no after all")
    override: str | None = Field(None, description="a person's reason to promote although slice gates failed")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the gates that did not pass."""
        return tuple(gate.name for gate in self.gates if not gate.passed)

    @property
    def passed(self) -> bool:
        """Whether every gate passed, or those that did not were overridden."""
        return not self.failed or (self.override is not None and set(self.failed) <= OVERRIDABLE)

    @property
    def promoted(self) -> bool:
        return self.passed and self.refusal is None

    def refused(self, reason: str) -> "Verdict":
        """The same gates, when the candidate stays down for another reason."""
        return self.model_copy(update={"refusal": reason})

    def words(self) -> str:
        """`promoted`, or `kept champion X because …` with the first failed gate in full."""
        if self.promoted and self.champion == self.candidate:
            return f"{self.candidate} is already champion"
        if self.promoted:
            return "promoted" if not self.failed else f"promoted by {self.reason()}"
        failed = [gate for gate in self.gates if not gate.passed and not self.passed]
        reason = f"{failed[0].name}: {failed[0].detail}" if failed else str(self.refusal)
        if len(failed) > 1:
            reason += f" (also failed: {', '.join(gate.name for gate in failed[1:])})"
        if self.champion == self.candidate:
            return f"{self.candidate} is champion already and stays, although {reason}"
        kept = f"kept champion {self.champion}" if self.champion else "promoted nothing (no champion yet)"
        return f"{kept} because {reason}"

    def reason(self) -> str:
        """What the history says of the promotion."""
        if not self.failed:
            return "all gates passed"
        return f"override ({self.override}) of failed gates: {', '.join(self.failed)}"


def decide(inputs: GateInputs, override: str | None = None) -> Verdict:
    """Hold a candidate against every gate, in order; one that fails does not hide the later ones.

    `override`, a person's reason, lets a candidate pass that fails gates about slices only: never data,
    training, parity or the fresh process. Raises RegistryError for a blank reason.
    """
    if override is not None and not override.strip():
        raise RegistryError("an override needs a reason; it is written into the history")
    return Verdict(
        override=override,
        candidate=inputs.candidate,
        champion=inputs.champion,
        gates=tuple(
            gate(inputs) for gate in (_data, _training, _champion, _baseline, _calibration, _parity, _fresh)
        ),
    )


def _data(inputs: GateInputs) -> GateResult:
    detail = "every suite passed" if inputs.data_passed else "a suite failed; see the data quality report"
    return GateResult(name="data suites", passed=inputs.data_passed, detail=detail)


def _training(inputs: GateInputs) -> GateResult:
    """Finite, and better than the constant in every judged slice."""
    if not inputs.training_finite:
        return GateResult(name="training", passed=False, detail="a loss or a weight is not finite")

    def objection(own: SliceMetrics) -> str | None:
        rival = inputs.evaluation.get(CONSTANT, own.slice)
        if own.logmae is not None and rival.logmae is not None and own.logmae < rival.logmae:
            return None
        return f"LogMAE {number(own.logmae)}, constant {number(rival.logmae)}"

    claims = "better than the constant", "not better than the constant"
    return floor("training", claims, inputs.evaluation, inputs.gates, objection)


def _champion(inputs: GateInputs) -> GateResult:
    if inputs.champion is None:
        return GateResult(name="champion", passed=True, detail="there is no champion to compare with")
    if inputs.champion == inputs.candidate:
        return GateResult(name="champion", passed=True, detail="the candidate is the champion itself")
    return against("champion", CHAMPION, inputs.gates.champion_tolerance, inputs.evaluation, inputs.gates)


def _baseline(inputs: GateInputs) -> GateResult:
    return against("baseline", BASELINE, inputs.gates.baseline_tolerance, inputs.evaluation, inputs.gates)


def _calibration(inputs: GateInputs) -> GateResult:
    low, high = inputs.gates.calibration_low, inputs.gates.calibration_high

    def objection(own: SliceMetrics) -> str | None:
        ratio = own.teacher_calibration
        fits = ratio is not None and low <= ratio <= high
        return None if fits else f"mean prediction / mean teacher {number(ratio)}, between {low} and {high}"

    claims = "calibrated", "not calibrated"
    return floor("calibration", claims, inputs.evaluation, inputs.gates, objection)


def _parity(inputs: GateInputs) -> GateResult:
    if inputs.parity is None:
        return GateResult(name="parity", passed=False, detail="the exported files were not compared")
    return GateResult(name="parity", passed=inputs.parity.passed, detail=inputs.parity.worst)


def _fresh(inputs: GateInputs) -> GateResult:
    report = inputs.fresh_process
    if report is None:
        return GateResult(name="fresh process", passed=False, detail="no fresh process loaded the files")
    return GateResult(name="fresh process", passed=report.passed, detail=report.detail)
