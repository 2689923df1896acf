"""Hold the candidate against the gates, promote it if it may go live, and record the run."""

import math
from collections.abc import Sequence
from datetime import date

from mtmd.config import Frozen
from mtmd.data import ShardRef
from mtmd.evaluation import EvaluationReport
from mtmd.registry import GateInputs, Registry, Verdict
from mtmd.registry import decide as decide_gates
from mtmd.stages.candidate import Exported, Proofs
from mtmd.stages.evaluation import Evaluated
from mtmd.stages.plan import RunPlan
from mtmd.stages.training import Trained
from mtmd.stages.validation import DataQuality
from mtmd.storage import write_json


class RunSummary(Frozen):
    """What a run ended with: the last thing it writes, and all that a person needs to find the rest."""

    as_of: date
    model_id: str
    promoted: bool
    words: str
    champion: str | None
    verdict: Verdict
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
) -> RunSummary:
    """Ask every gate; promote if all pass (or `override` says why not) and the caller wants it; write both down.

    The summary already names the place of the report, which is written next.

    Raises RegistryError when the champion changed while the run was deciding: run again.
    """
    registry = Registry(plan.workspace.root)
    report = evaluated.report
    verdict = decide_gates(
        GateInputs(
            candidate=exported.model_id,
            champion=exported.model_id if evaluated.of_champion else evaluated.champion,
            data_passed=quality.passed,
            training_finite=_finite(trained),
            evaluation=report,
            parity=proofs.parity,
            fresh_process=proofs.fresh_process,
            gates=plan.preset.gates,
        ),
        override,
    )
    if verdict.passed and not evaluated.of_champion:
        verdict = _promote(registry, verdict, plan.as_of, evaluated.champion_sequence, promote)
    champion = registry.champion()
    run = plan.workspace.run(plan.as_of, _key(trained))
    summary = RunSummary(
        as_of=plan.as_of,
        model_id=exported.model_id,
        promoted=champion is not None and champion.model_id == exported.model_id,
        words=verdict.words(),
        champion=champion.model_id if champion else None,
        verdict=verdict,
        reused=_reused(quality, shards, trained, evaluated, exported),
        report=report,
        places={
            "model": exported.path,
            "evaluation": evaluated.path,
            "run": str(run),
            "report": str(plan.workspace.report(plan.as_of, _key(trained))),
            "champion": str(plan.workspace.root / "champion.json"),
        },
    )
    write_json(run / "summary.json", summary.model_dump(mode="json"))
    return summary


def _promote(registry: Registry, verdict: Verdict, as_of: date, sequence: int, wanted: bool) -> Verdict:
    """Promote the verdict's candidate; the verdict says why where that was not wanted, or was refused."""
    if not wanted:
        return verdict.refused("the run was told not to promote")
    outcome = registry.promote(verdict.candidate, as_of, verdict.reason(), sequence)
    return verdict.refused(outcome.words) if outcome.outcome == "refused" else verdict


def _finite(trained: Sequence[Trained]) -> bool:
    epochs = [epoch for one in trained for epoch in one.fit.epochs]
    return all(math.isfinite(e.train_loss) and math.isfinite(e.validation_loss) for e in epochs)


def _key(trained: Sequence[Trained]) -> str:
    return next(one.key for one in trained if one.name == "mtmd")


def _reused(
    quality: DataQuality,
    shards: Sequence[ShardRef],
    trained: Sequence[Trained],
    evaluated: Evaluated,
    exported: Exported,
) -> dict[str, str]:
    """What earlier runs had done already, in words."""

    def share(done: int, total: int) -> str:
        return f"{done} of {total}"

    return {
        "validated days": share(len(quality.reused), len(quality.days)),
        "shards": share(sum(ref.reused for ref in shards), len(shards)),
        "trained models": share(sum(one.reused for one in trained), len(trained)),
        "evaluation": share(int(evaluated.reused), 1),
        "exported model": share(int(exported.reused), 1),
    }
