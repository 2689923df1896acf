"""Apply the gates to the candidate, promote it if it may go live, and record the run."""

import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import Field

from mtmd.abtest.outcome import ABTest
from mtmd.config import Frozen, load_preset
from mtmd.errors import MtmdError
from mtmd.evaluate.report import EvaluationReport
from mtmd.evaluate.stage import Evaluated
from mtmd.export.stage import Exported, Proofs
from mtmd.extract.shards import ShardRef
from mtmd.promote.gates import GateInputs, Verdict, ab_gate, apply_gates
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.store.files import digest, write_json
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality

_SUMMARY, _VALIDATION = "summary.json", "validation.json"


class RunSummary(Frozen):
    """What a run ended with: the last thing it writes, and all that a person needs to find the rest."""

    as_of: date
    model_id: str
    promoted: bool = Field(description="whether the candidate is live after the run")
    words: str = Field(description="what came of the run")
    champion: str | None = Field(description="the live model after the run")
    verdict: Verdict = Field(description="the decision, as it was taken")
    repeated: bool = Field(False, description="an earlier run took this decision, and its record stays")
    reused: dict[str, str]
    report: EvaluationReport
    places: dict[str, str]


def decide(
    plan: RunPlan,
    *,
    quality: DataQuality,
    shards: Sequence[ShardRef],
    trained: Sequence[Trained],
    evaluated: Evaluated,
    exported: Exported,
    proofs: Proofs,
    promote: bool,
    override: str | None = None,
    tested: ABTest | None = None,
) -> RunSummary:
    """Ask every gate; promote if all pass (or `override` says why not) and the caller wants it; write both down.

    `tested` is the simulated A/B of a preset that has it for a gate.

    The summary already names the place of the report, which is written next. A decision is named by what the
    gates looked at, so a later one about the same candidate leaves its record and page alone; a candidate that an
    earlier run promoted stays promoted, whatever is found now.

    Raises RegistryError when the champion changed while the run was deciding: run again.
    """
    registry, opponent = Registry(plan.workspace.root), evaluated.incumbent
    inputs = GateInputs(
        candidate=exported.model_id,
        champion=opponent.model_id,
        left_out=opponent.left_out,
        data_passed=quality.passed,
        training_finite=_finite(trained),
        evaluation=evaluated.report,
        ab_test=ab_gate(tested, plan.preset.gates.significance) if plan.preset.ab_test.gate else None,
        parity=proofs.parity,
        fresh_process=proofs.fresh_process,
        gates=plan.preset.gates,
    )
    verdict = apply_gates(inputs, override)
    if opponent.promotion is not None:
        verdict = verdict.promoted_before(opponent.promotion)
    elif verdict.passed:
        verdict = _promote(registry, verdict, plan.as_of, opponent.sequence, promote)
    run = plan.workspace.run(plan.as_of, _key(trained), _decision_key(inputs, evaluated, tested))
    earlier = None if _is_news(verdict) else _recorded(run, verdict)
    verdict = earlier or verdict
    champion = registry.champion()
    live = champion.model_id if champion else None
    summary = RunSummary(
        as_of=plan.as_of,
        model_id=exported.model_id,
        promoted=live == exported.model_id,
        words=_words(verdict, opponent.promotion is not None, live),
        champion=live,
        verdict=verdict,
        repeated=earlier is not None,
        reused=_reused(quality, shards, trained, evaluated, exported),
        report=inputs.evaluation,
        places=_places(plan, run, evaluated, exported, tested),
    )
    if earlier is None:
        write_json(run / _VALIDATION, quality.model_dump(mode="json"))
        write_json(run / _SUMMARY, summary.model_dump(mode="json"))
    return summary


def live_model(preset: str, artifacts: str) -> str | None:
    """Id of the champion of a preset's line, for a run that ended with an error: None, too, when it can't be told."""
    try:
        champion = Registry(Workspace.of(artifacts, load_preset(preset)).root).champion()
    except MtmdError:
        return None
    return champion.model_id if champion else None


def _places(
    plan: RunPlan, run: Path, evaluated: Evaluated, exported: Exported, tested: ABTest | None
) -> dict[str, str]:
    return {
        "model": exported.path,
        "evaluation": evaluated.path,
        **({} if tested is None else {"a/b test": str(plan.workspace.evaluation(tested.key))}),
        "validation": str(run / _VALIDATION),
        "run": str(run),
        "report": str(run / "report.html"),
        "champion": str(plan.workspace.root / "champion.json"),
    }


def _key(trained: Sequence[Trained]) -> str:
    return next(model.key for model in trained if model.name == "mtmd")


def _decision_key(inputs: GateInputs, evaluated: Evaluated, tested: ABTest | None) -> str:
    """Digest of what the gates look at; without the simulated A/B where none is asked for."""
    proofs = [proof is not None and proof.passed for proof in (inputs.parity, inputs.fresh_process)]
    seen = inputs.model_dump(mode="json", exclude={"evaluation", "ab_test", "parity", "fresh_process"})
    if inputs.ab_test is not None:
        seen["ab_test"] = None if tested is None else tested.key
    return digest(seen | {"evaluation": evaluated.key, "proofs": proofs})


def _is_news(verdict: Verdict) -> bool:
    """Whether this very run promoted the candidate."""
    return verdict.promoted and verdict.promotion is None


def _recorded(run: Path, verdict: Verdict) -> Verdict | None:
    """The verdict of an earlier run about the same things: the same one, or the one that promoted."""
    summary = read_record(run / _SUMMARY, RunSummary)
    if summary is None:
        return None
    earlier = summary.verdict
    stands = earlier == verdict or (verdict.promotion is not None and earlier.promoted)
    return earlier if stands else None


def _words(verdict: Verdict, promoted_before: bool, live: str | None) -> str:
    if not (promoted_before and verdict.promoted):
        return verdict.words()
    if live == verdict.candidate:
        return f"{verdict.candidate} is already champion"
    return f"{verdict.candidate} was promoted by an earlier run; {live} is champion now"


def _promote(registry: Registry, verdict: Verdict, as_of: date, sequence: int, wanted: bool) -> Verdict:
    """Promote the verdict's candidate; the verdict says why where that was not wanted, or was refused."""
    if not wanted:
        return verdict.refused("the run was told not to promote")
    outcome = registry.promote(verdict.candidate, as_of, verdict.reason(), sequence)
    return verdict.refused(outcome.words) if outcome.outcome == "refused" else verdict


def _finite(trained: Sequence[Trained]) -> bool:
    epochs = [epoch for model in trained for epoch in model.fit.epochs]
    return all(math.isfinite(e.train_loss) and math.isfinite(e.validation_loss) for e in epochs)


def _reused(
    quality: DataQuality,
    shards: Sequence[ShardRef],
    trained: Sequence[Trained],
    evaluated: Evaluated,
    exported: Exported,
) -> dict[str, str]:
    """What earlier runs had done already, as people read it."""

    def share(done: int, total: int) -> str:
        return f"{done} of {total}"

    return {
        "validated days": share(len(quality.reused), len(quality.days)),
        "shards": share(sum(ref.reused for ref in shards), len(shards)),
        "trained models": share(sum(model.reused for model in trained), len(trained)),
        "evaluation": share(int(evaluated.reused), 1),
        "exported model": share(int(exported.reused), 1),
    }
