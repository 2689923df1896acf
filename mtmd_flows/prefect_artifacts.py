"""Flow-run artifacts: what a person reads to decide whether to trust a model. Keys are stable."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from prefect import Task, task
from prefect.artifacts import create_markdown_artifact

from mtmd.abtest.outcome import ABTest
from mtmd.jobs.backfill import BackfillPlan, DayOutcome
from mtmd.promote.stage import RunSummary
from mtmd.report.markdown import backfill as backfill_render
from mtmd.report.markdown import daily as render
from mtmd.report.stage import report_url
from mtmd.run import RunPlan

_Result = TypeVar("_Result")


def _publish(key: str, description: str, markdown: str) -> None:
    create_markdown_artifact(markdown=markdown, key=key, description=description)


def _of_stage(key: str, text: Callable[[RunPlan, _Result], str]) -> Task[[RunPlan, _Result], None]:
    """The task that publishes what a stage of a run returned."""

    @task(persist_result=False, name=f"publish {key}")
    def publish(planned: RunPlan, result: _Result) -> None:
        _publish(key, f"as_of {planned.as_of}", text(planned, result))

    return publish


data_quality = _of_stage("data-quality", render.data_quality)  # what the suites said
training = _of_stage("training", render.training)  # curves and a summary of each training
metrics = _of_stage("metrics", render.metrics)  # held-out metrics by slice and rank bucket
parity = _of_stage("parity", render.parity)  # the exported files beside the trained model
ablation = _of_stage("ablation", render.ablation)  # what each factor contributes (paper Table 6)


@task(persist_result=False, name="publish ab-test")
def ab_test(planned: RunPlan, tested: ABTest) -> None:
    """What the model does to cost and engagement (paper Tables 2 to 5)."""
    _publish("ab-test", f"as_of {planned.as_of}: {tested.words}", render.ab_test(planned, tested))


@task(persist_result=False, name="publish verdict")
def verdict(planned: RunPlan, summary: RunSummary) -> None:
    """Promoted, or kept, and why."""
    _publish(
        "verdict",
        f"as_of {planned.as_of}: {summary.words[:200]}",
        render.verdict(summary, report_url(planned.artifacts, summary.places["report"])),
    )


@task(persist_result=False, name="publish verdict")
def stopped(as_of: date, words: str, live: str | None) -> None:
    """Why a run ended before it could decide."""
    _publish("verdict", f"as_of {as_of}: stopped, {words[:200]}", render.stopped(as_of, words, live))


@task(persist_result=False, name="publish backfill-plan")
def backfill_plan(planned: BackfillPlan) -> None:
    """What each day would run, reuse and cost."""
    words = f"{planned.first} to {planned.last}: {len(planned.running)} of {len(planned.days)} days run"
    _publish("backfill-plan", words, backfill_render.plan_table(planned))


@task(persist_result=False, name="publish backfill")
def backfill(planned: BackfillPlan, outcomes: Sequence[DayOutcome], artifacts: str) -> None:
    """Day by day: verdict and metrics, their trend, and links to the days' pages where these are served."""
    urls = {outcome.as_of: report_url(artifacts, outcome.report) for outcome in outcomes if outcome.report}
    pages = {day: url for day, url in urls.items() if url}
    words = f"{planned.first} to {planned.last}: {len(outcomes)} of {len(planned.days)} days"
    _publish("backfill", words, backfill_render.outcome_table(planned, outcomes, pages))
