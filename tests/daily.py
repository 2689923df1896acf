"""Every stage's output of the first run's day, taken by the stages themselves from a copy of its artifacts."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from mtmd.abtest.outcome import ABTest
from mtmd.evaluate import stage as evaluate_stage
from mtmd.evaluate.stage import Evaluated
from mtmd.export import stage as export_stage
from mtmd.export.stage import Exported, Proofs
from mtmd.extract import stage as extract_stage
from mtmd.extract.shards import ShardRef
from mtmd.promote import stage as promote_stage
from mtmd.promote.stage import RunSummary
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan, plan_run
from mtmd.train import stage as train_stage
from mtmd.train.stage import Trained
from mtmd.validate import stage as validate_stage
from mtmd.validate.stage import DataQuality
from tests.flows.runs import AS_OF, TINY


@dataclass(frozen=True)
class Done:
    """What the stages returned before the decision."""

    plan: RunPlan
    quality: DataQuality
    shards: tuple[ShardRef, ...]
    trained: tuple[Trained, ...]
    evaluated: Evaluated
    exported: Exported
    proofs: Proofs

    @property
    def registry(self) -> Registry:
        return Registry(self.plan.workspace.root)

    def decide(
        self,
        *,
        promote: bool = True,
        override: str | None = None,
        tested: ABTest | None = None,
        **changed: object,
    ) -> RunSummary:
        done = replace(self, **changed)  # type: ignore[arg-type]
        return promote_stage.decide(
            done.plan,
            quality=done.quality,
            shards=done.shards,
            trained=done.trained,
            evaluated=done.evaluated,
            exported=done.exported,
            proofs=done.proofs,
            promote=promote,
            override=override,
            tested=tested,
        )


def run_stages(logs: Path, artifacts: Path, as_of: date = AS_OF, preset: str = TINY) -> Done:
    """All stages but the decision; outputs that are there already are taken."""
    plan = plan_run(as_of, preset, logs=str(logs), artifacts=str(artifacts))
    quality = validate_stage.validate(plan)
    shards = tuple(
        extract_stage.extract(plan, day, source)
        for day, source in zip(plan.all_days, quality.sources, strict=True)
    )
    trained = tuple(train_stage.train(plan, kind, shards[:-1]) for kind in ("mtmd", "per_slice", "pooled"))
    evaluated = evaluate_stage.evaluate(
        plan, trained, shards[:-1], shards[-1], export_stage.model_id(plan, trained[0], shards[-1])
    )
    exported = export_stage.export(plan, trained[0], evaluated, shards)
    proofs = export_stage.prove(plan, exported, trained[0], shards[-1])
    return Done(plan, quality, shards, trained, evaluated, exported, proofs)
