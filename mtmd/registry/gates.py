"""The promotion gates (design §8): in order, each with the slices and numbers that decided it."""

from collections.abc import Callable, Iterator

from pydantic import Field

from mtmd.config import Frozen, GatesConfig
from mtmd.evaluation import EvaluationReport, SliceMetrics
from mtmd.export import FreshProcessReport, ParityReport

CONSTANT, CHAMPION, BASELINE = "constant", "champion", "per_slice"


class SliceFinding(Frozen):
    """One slice that a gate objects to, or could not judge."""

    surface: str
    product: str
    task: str
    judged: bool
    words: str = Field(description="the numbers, such as `LogMAE 0.41, champion 0.35, at most 0.3605`")

    def __str__(self) -> str:
        return f"{self.surface} × {self.product} × {self.task}: {self.words}"


class GateResult(Frozen):
    """What one gate says."""

    name: str
    passed: bool
    detail: str
    slices: tuple[SliceFinding, ...] = Field((), description="offending slices, then those not judged")


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

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def promoted(self) -> bool:
        return self.passed and self.refusal is None

    def refused(self, reason: str) -> "Verdict":
        """The same gates, when the candidate stays down for another reason."""
        return self.model_copy(update={"refusal": reason})

    def words(self) -> str:
        """`promoted`, or `kept champion X because …` with the first failed gate in full."""
        if self.promoted:
            return f"{self.candidate} is already champion" if self.champion == self.candidate else "promoted"
        failed = [gate for gate in self.gates if not gate.passed]
        reason = f"{failed[0].name}: {failed[0].detail}" if failed else str(self.refusal)
        if len(failed) > 1:
            reason += f" (also failed: {', '.join(gate.name for gate in failed[1:])})"
        if self.champion == self.candidate:
            return f"{self.candidate} is champion already and stays, although {reason}"
        kept = f"kept champion {self.champion}" if self.champion else "promoted nothing (no champion yet)"
        return f"{kept} because {reason}"


def decide(inputs: GateInputs) -> Verdict:
    """Hold a candidate against every gate, in order; one that fails does not hide the later ones."""
    return Verdict(
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
        return None if _better(own, rival) else f"LogMAE {_n(own.logmae)}, constant {_n(rival.logmae)}"

    return _by_slice(
        "training", ("better than the constant", "not better than the constant"), inputs, objection
    )


def _champion(inputs: GateInputs) -> GateResult:
    if inputs.champion is None:
        return GateResult(name="champion", passed=True, detail="there is no champion to compare with")
    if inputs.champion == inputs.candidate:
        return GateResult(name="champion", passed=True, detail="the candidate is the champion itself")
    return _against(CHAMPION, inputs, inputs.gates.champion_tolerance)


def _baseline(inputs: GateInputs) -> GateResult:
    return _against(BASELINE, inputs, inputs.gates.baseline_tolerance)


def _calibration(inputs: GateInputs) -> GateResult:
    low, high = inputs.gates.calibration_low, inputs.gates.calibration_high

    def objection(own: SliceMetrics) -> str | None:
        ratio = own.teacher_calibration
        fits = ratio is not None and low <= ratio <= high
        return None if fits else f"mean prediction / mean teacher {_n(ratio)}, between {low} and {high}"

    return _by_slice("calibration", ("calibrated", "not calibrated"), inputs, objection)


def _parity(inputs: GateInputs) -> GateResult:
    if inputs.parity is None:
        return GateResult(name="parity", passed=False, detail="the exported files were not compared")
    return GateResult(name="parity", passed=inputs.parity.passed, detail=inputs.parity.worst)


def _fresh(inputs: GateInputs) -> GateResult:
    report = inputs.fresh_process
    if report is None:
        return GateResult(name="fresh process", passed=False, detail="no fresh process loaded the files")
    return GateResult(name="fresh process", passed=report.passed, detail=report.detail)


def _against(rival: str, inputs: GateInputs, tolerance: float) -> GateResult:
    """No judged slice worse than a rival beyond a tolerance."""
    name = _NAMES[rival]
    if rival not in inputs.evaluation.predictors:
        return GateResult(
            name=name, passed=False, detail=f"the evaluation has no predictor {rival!r}; evaluate it"
        )

    def objection(own: SliceMetrics) -> str | None:
        other = inputs.evaluation.get(rival, own.slice)
        limit = _limit(other, tolerance)
        if own.logmae is not None and limit is not None and own.logmae <= limit:
            return None
        return f"LogMAE {_n(own.logmae)}, {name} {_n(other.logmae)}, at most {_n(limit)}"

    margin = f" by more than {tolerance:.0%}" if tolerance else ""
    claims = f"no worse than the {name}{margin}", f"worse than the {name}{margin}"
    return _by_slice(name, claims, inputs, objection)


_NAMES = {CHAMPION: "champion", BASELINE: "baseline"}


# The two comparisons of LogMAE. Confidence intervals join here: both get the interval of the difference, and
# "worse" becomes "significantly worse" (design §7).


def _better(own: SliceMetrics, rival: SliceMetrics) -> bool:
    return own.logmae is not None and rival.logmae is not None and own.logmae < rival.logmae


def _limit(rival: SliceMetrics, tolerance: float) -> float | None:
    return None if rival.logmae is None else rival.logmae * (1.0 + tolerance)


def _by_slice(
    name: str, claims: tuple[str, str], inputs: GateInputs, objection: Callable[[SliceMetrics], str | None]
) -> GateResult:
    """Ask about every slice with enough rows. A gate that could judge no slice does not pass.

    claims: what all judged slices are when it passes, and what the offending ones are when it does not.
    """
    candidate = [
        inputs.evaluation.get(inputs.evaluation.candidate, where) for where in inputs.evaluation.slices
    ]
    judged = [own for own in candidate if own.rows >= inputs.gates.min_slice_rows]
    offending = [_finding(own, words) for own in judged if (words := objection(own))]
    unjudged = [
        _finding(own, f"not judged ({own.rows} rows)", judged=False) for own in candidate if own not in judged
    ]
    return GateResult(
        name=name,
        passed=bool(judged) and not offending,
        detail="; ".join(_sentences(claims, inputs.gates.min_slice_rows, judged, offending, unjudged)),
        slices=(*offending, *unjudged),
    )


def _sentences(
    claims: tuple[str, str],
    least: int,
    judged: list[SliceMetrics],
    offending: list[SliceFinding],
    unjudged: list[SliceFinding],
) -> Iterator[str]:
    if not judged:
        yield f"no slice has the {least} held-out rows that judging it needs"
    elif offending:
        yield f"{len(offending)} of {len(judged)} slices are {claims[1]}: " + "; ".join(map(str, offending))
    else:
        yield f"all {len(judged)} judged slices are {claims[0]}"
    if unjudged and judged:
        yield f"{len(unjudged)} not judged (fewer than {least} rows)"


def _finding(own: SliceMetrics, words: str, judged: bool = True) -> SliceFinding:
    return SliceFinding(surface=own.surface, product=own.product, task=own.task, judged=judged, words=words)


def _n(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
