"""The daily job: from the window's logs to a promoted model, or to the words why not."""

import sys

from prefect import flow

from mtmd import command_line
from mtmd.command_line import stages as shown
from mtmd.config import variants
from mtmd.export.stage import model_id
from mtmd.flows import parameters, steps
from mtmd.flows.ablation import ablate
from mtmd.flows.command import command_of, require_days, show
from mtmd.flows.parameters import described
from mtmd.flows.prefect_artifacts import Event, linked, publish, publish_of_day, tell
from mtmd.promote import stage as promote_stage
from mtmd.promote.findings import RunSummary
from mtmd.promote.stage import DayRun
from mtmd.report import jobs, stages, view
from mtmd.report.tables import report_url
from mtmd.run import RunPlan
from mtmd.train.rivals import compared, is_due


@flow(name="daily-retrain", flow_run_name=parameters.of_day, persist_result=False)
@described
def daily_retrain(
    as_of: parameters.AsOf | None = None,
    window_days: parameters.WindowDays | None = None,
    preset: parameters.PresetName = "demo",
    promote: parameters.Promote = True,
    logs: parameters.Logs | None = None,
    artifacts: parameters.Artifacts = "artifacts",
    ablations: parameters.Ablations = True,
    override: parameters.Override | None = None,
) -> RunSummary:
    """Validate, extract, train, evaluate, export, prove, decide; promote when every gate passes, and publish ads."""
    day = as_of or parameters.scheduled_day()
    try:
        run = _until_proved(steps.plan(day, preset, window_days, logs, artifacts))
        summary = steps.decide(run, promote=promote, override=override)
    except Exception as error:
        jobs.point_to_check(error, day, preset, logs)
        live = promote_stage.live_model(preset, artifacts)
        said = jobs.stopped(day, error, live, jobs.failed_quality(artifacts, preset, day, error))
        page = steps.record_failure(artifacts, preset, day, error, said)
        publish("verdict", f"as_of {day}: stopped", linked(said, artifacts, page))
        if page is not None:
            error.add_note(f"Page: {report_url(artifacts, f'{page}') or page}")
        raise
    steps.record_decision(run.plan.workspace, day)  # whatever fails later, it is decided
    if summary.is_news:
        event: Event = "mtmd.champion.promoted" if summary.promoted else "mtmd.champion.kept"
        tell(event, run.plan.preset.name, day, summary.champion, summary.words)
    publish_of_day("verdict", run.plan, view.decision(summary), summary.places["report"])
    if summary.promoted:
        steps.publish_ads(
            run.plan.workspace,
            run.plan.source,
            day,
            model=summary.model_id,
            held_out=run.days.held_out,
            keep=not summary.is_news,  # of a model that was promoted before, the ads that serve it
            int8=run.plan.preset.publication.int8,
        )
    steps.report(run, summary)
    steps.record_decision(run.plan.workspace, day)
    due = is_due(day, run.plan.preset.ablations.every_days, is_first=summary.verdict.champion is None)
    # Variants are trained anew: so must be what they are compared with.
    if ablations and due and run.own.start is None:
        daily = [variant.name for variant in variants(run.own.kind).values() if variant.daily]
        ablated = ablate(run.plan, [run.own], daily, run.days, summary.places["report"])
        steps.report(run, summary, ablated)
        steps.record_decision(run.plan.workspace, day)
    return summary


def _until_proved(plan: RunPlan) -> DayRun:
    """From logs to all that the gates look at."""
    kinds = compared(plan)
    shown.total = 6 + len(kinds)
    quality, days = steps.validated_days(plan)

    chosen = steps.choose_start(plan, days.window)
    trained = steps.train_all(plan, kinds, days.window, chosen.start)
    publish_of_day("training", plan, view.of_stage(plan, stages.training(trained)))

    evaluated = steps.evaluate(plan, trained, days, model_id(plan, trained[0], days.held_out))
    publish_of_day("metrics", plan, view.metrics(plan, evaluated))
    exported = steps.export(plan, trained[0], evaluated, days)
    proofs = steps.prove(plan, exported, trained[0], days.held_out)
    publish_of_day("parity", plan, view.of_stage(plan, stages.parity(proofs)))

    return DayRun(
        plan=plan,
        quality=quality,
        days=days,
        trained=trained,
        evaluated=evaluated,
        exported=exported,
        proofs=proofs,
        chosen=chosen,
    )


command = command_of(daily_retrain, show, require_days)

if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.flows.daily_retrain"))
