"""Every stage's output of the first run's day, taken by the stages themselves from a copy of its artifacts."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from mtmd import stages
from mtmd.data import ShardRef
from mtmd.registry import Registry
from mtmd.stages import ABTest, DataQuality, Evaluated, Exported, Proofs, RunPlan, RunSummary, Trained
from tests.flows.runs import AS_OF, TINY, Run, copied


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
        return stages.decide(
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
    plan = stages.plan_run(as_of, preset, logs=str(logs), artifacts=str(artifacts))
    quality = stages.validate(plan)
    shards = tuple(
        stages.extract(plan, day, source) for day, source in zip(plan.all_days, quality.sources, strict=True)
    )
    trained = tuple(stages.train(plan, kind, shards[:-1]) for kind in ("mtmd", "per_slice", "pooled"))
    evaluated = stages.evaluate(
        plan, trained, shards[:-1], shards[-1], stages.model_id(plan, trained[0], shards[-1])
    )
    exported = stages.export(plan, trained[0], evaluated, shards)
    proofs = stages.prove(plan, exported, trained[0], shards[-1])
    return Done(plan, quality, shards, trained, evaluated, exported, proofs)


@pytest.fixture
def done(first_run: Run, tmp_path: Path) -> Done:
    """Nothing is promoted yet; the test may damage what it finds."""
    return run_stages(first_run.logs, copied(first_run.artifacts, tmp_path / "artifacts", champion=False))


@pytest.fixture
def done_live(first_run: Run, tmp_path: Path) -> Done:
    """The same, and the candidate is the champion."""
    return run_stages(first_run.logs, copied(first_run.artifacts, tmp_path / "live"))
