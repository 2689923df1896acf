"""Every stage's output of the first run's day, taken by the stages themselves from a copy of its artifacts."""

from datetime import date
from pathlib import Path

from mtmd.evaluate import stage as evaluate_stage
from mtmd.export import stage as export_stage
from mtmd.extract import stage as extract_stage
from mtmd.extract.shards import Days
from mtmd.promote import stage as promote_stage
from mtmd.promote.findings import RunSummary
from mtmd.promote.stage import DayRun
from mtmd.registry.registry import Registry
from mtmd.run import plan_run
from mtmd.train import stage as train_stage
from mtmd.train.rivals import compared
from mtmd.train.stage import choose_start
from mtmd.validate import stage as validate_stage
from tests.flows.runs import AS_OF, TINY


class Done(DayRun):
    """What the stages returned before the decision."""

    @property
    def registry(self) -> Registry:
        return Registry(self.plan.workspace.root)

    def decide(self, *, promote: bool = True, override: str | None = None, **changed: object) -> RunSummary:
        return promote_stage.decide(self.model_copy(update=changed), promote=promote, override=override)


def run_stages(logs: Path | str, artifacts: Path | str, as_of: date = AS_OF, preset: str = TINY) -> Done:
    """All stages but the decision; outputs that are there already are taken."""
    plan = promote_stage.with_candidate(plan_run(as_of, preset, logs=str(logs), artifacts=str(artifacts)))
    quality = validate_stage.validate(plan)
    days = Days.of(
        [
            extract_stage.extract(plan, day, source)
            for day, source in zip(plan.all_days, quality.sources, strict=True)
        ]
    )
    chosen = choose_start(plan, {ref.day: ref.fingerprint for ref in days.window})
    candidate, *others = compared(plan)
    trained = (
        train_stage.train(plan, candidate, days.window, start=chosen.start),
        *(train_stage.train(plan, kind, days.window) for kind in others),
    )
    name = export_stage.model_id(plan, trained[0], days.held_out)
    evaluated = evaluate_stage.evaluate(plan, trained, days, name)
    exported = export_stage.export(plan, trained[0], evaluated, days)
    proofs = export_stage.prove(plan, exported, trained[0], days.held_out)
    return Done(
        plan=plan,
        quality=quality,
        days=days,
        trained=trained,
        evaluated=evaluated,
        exported=exported,
        proofs=proofs,
        chosen=chosen,
    )
