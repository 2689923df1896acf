"""The daily job without Prefect, stage by stage, for benchmarks that time it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

from mtmd.evaluate import stage as evaluate_stage
from mtmd.export import stage as export_stage
from mtmd.extract import stage as extract_stage
from mtmd.extract.shards import Days
from mtmd.promote import stage as promote_stage
from mtmd.promote.findings import RunSummary
from mtmd.promote.stage import DayRun
from mtmd.publish import stage as publish_stage
from mtmd.report import stage as report_stage
from mtmd.run import RunPlan
from mtmd.train import stage as train_stage
from mtmd.train.rivals import compared
from mtmd.validate import runner
from mtmd.validate import stage as validate_stage

Clock = Callable[[str], AbstractContextManager[object]]


def plain_job(plan: RunPlan, stage: Clock = nullcontext) -> tuple[DayRun, RunSummary]:
    """Run the day, promoted where the gates allow it; each stage runs inside `stage(its name)`.

    Raises what a stage raises: ValidationError, TrainingError and the others of `mtmd.errors`.
    """
    with stage("validation and shards"):
        quality = validate_stage.validate(plan)
        runner.require(*quality.validations)
        with ThreadPoolExecutor(4) as pool:  # as many days at once as the flow
            sources = zip(plan.all_days, quality.sources, strict=True)
            days = Days.of(list(pool.map(lambda one: extract_stage.extract(plan, *one), sources)))
    chosen = train_stage.choose_start(plan, {ref.day: ref.fingerprint for ref in days.window})
    trained = []
    for kind in compared(plan):
        with stage(f"training, {kind}"):
            start = chosen.start if kind == plan.preset.candidate else None
            trained.append(train_stage.train(plan, kind, days.window, start=start))
    with stage("evaluation"):
        name = export_stage.model_id(plan, trained[0], days.held_out)
        evaluated = evaluate_stage.evaluate(plan, trained, days, name)
    with stage("export and proofs"):
        exported = export_stage.export(plan, trained[0], evaluated, days)
        proofs = export_stage.prove(plan, exported, trained[0], days.held_out)
    run = DayRun(
        plan=plan, quality=quality, days=days, trained=tuple(trained), evaluated=evaluated, exported=exported,
        proofs=proofs, chosen=chosen,
    )  # fmt: skip
    with stage("decision, ads and page"):
        summary = promote_stage.decide(run, promote=True)
        if summary.promoted:
            publish_stage.publish(plan.workspace, plan.source, plan.as_of, held_out=days.held_out)
        report_stage.write_report(run, summary)
    return run, summary
