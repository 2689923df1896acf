"""Flow-run artifacts: what a person reads to decide whether to trust a model. Keys are stable."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TypeVar

from prefect import Task, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from mtmd.abtest.outcome import ABTest
from mtmd.evaluate.ablation import Ablation
from mtmd.jobs.backfill import BackfillPlan, DayOutcome
from mtmd.promote.stage import RunSummary
from mtmd.report.markdown import backfill as backfill_render
from mtmd.report.markdown import daily as daily_render
from mtmd.report.markdown import metrics as metrics_render
from mtmd.report.markdown import verdict as verdict_render
from mtmd.report.markdown.plain import plain
from mtmd.report.markdown.report_link import linked, with_link
from mtmd.report.url import report_url
from mtmd.run import RunPlan
from mtmd.validate.stage import DataQuality

_Result = TypeVar("_Result")
_SECTIONS = {  # of the run's page, by the key of the artifact that leads there
    "data-quality": "data",
    "training": "training",
    "metrics": "rivals",
    "ab-test": "ab-test",
    "parity": "lineage",
}


def markdown_artifact(key: str, description: str, markdown: str) -> None:
    """Publish an artifact of this run. Prefect's pages read descriptions as Markdown too: this one stays plain."""
    create_markdown_artifact(markdown=markdown, key=key, description=plain(description))


@contextmanager
def may_fail(failed: str) -> Iterator[None]:
    """A warning in the log where the server fails: what a run has done stands, and its other work must be done."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever the server or the way to it says
        get_run_logger().warning("%s: %s", failed, error)


def _of_stage(key: str, text: Callable[[RunPlan, _Result], str]) -> Task[[RunPlan, _Result], None]:
    """The task that publishes what a stage of a day's run returned."""

    @task(persist_result=False, name=f"publish {key}")
    def publish(planned: RunPlan, result: _Result) -> None:
        markdown_artifact(key, f"as_of {planned.as_of}", with_link(text(planned, result)))

    return publish


training = _of_stage("training", daily_render.training)  # curves and a summary of each training
metrics = _of_stage("metrics", metrics_render.metrics)  # held-out metrics by slice and rank bucket
parity = _of_stage("parity", daily_render.parity)  # the exported files beside the trained model


@task(persist_result=False, name="publish data-quality")
def data_quality(planned: RunPlan, quality: DataQuality, *, of_a_day: bool) -> None:
    """What the suites said; only a day's run writes a page."""
    text = daily_render.data_quality(planned, quality)
    markdown_artifact("data-quality", f"as_of {planned.as_of}", with_link(text) if of_a_day else text)


@task(persist_result=False, name="publish ablation")
def ablation(planned: RunPlan, ablated: Ablation, page: str | None = None) -> None:
    """What each factor contributes (paper Table 6); `page` is the run's, which has a section for it."""
    text = metrics_render.ablation(planned, ablated)
    if page is None:  # the run is about nothing else
        markdown_artifact("ablation", f"as_of {planned.as_of}", text)
        return
    text = with_link(text, page, report_url(planned.artifacts, page), "ablations")
    with may_fail("the artifact ablation could not be published"):
        markdown_artifact("ablation", f"as_of {planned.as_of}", text)


@task(persist_result=False, name="publish ab-test")
def ab_test(planned: RunPlan, tested: ABTest, *, of_a_day: bool = False, trial: bool = False) -> None:
    """What the model does to cost and engagement (paper Tables 2 to 5); only a day's run writes a page."""
    text = metrics_render.ab_test(planned, tested, trial=trial)
    markdown_artifact(
        "ab-test", f"as_of {planned.as_of}: {tested.words}", with_link(text) if of_a_day else text
    )


@task(persist_result=False, name="publish verdict")
def verdict(planned: RunPlan, summary: RunSummary, seconds: Mapping[str, float]) -> None:
    """Promoted, or kept, and why; `seconds` says how long each stage took."""
    page = summary.places["report"]
    text = with_link(
        verdict_render.verdict(summary, seconds), page, report_url(planned.artifacts, page), "gates"
    )
    with may_fail("the artifact verdict could not be published"):
        markdown_artifact("verdict", f"as_of {planned.as_of}: {summary.words[:200]}", text)


@task(persist_result=False, name="link page")
def link_page(planned: RunPlan, summary: RunSummary) -> None:
    """Lead the run's artifacts, which are older than its page, to their section of the page."""
    page, run = summary.places["report"], runtime.flow_run.id
    url = report_url(planned.artifacts, page)
    failed = "the run's artifacts do not lead to its page"
    with may_fail(failed), get_client(sync_client=True) as client:
        only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        for artifact in client.read_artifacts(artifact_filter=only):
            section = _SECTIONS.get(artifact.key or "")
            text = section and linked(f"{artifact.data}", page, url, section)
            if text:
                client.update_artifact(artifact.id, ArtifactUpdate(data=text))


@task(persist_result=False, name="publish verdict")
def stopped(as_of: date, words: str, live: str | None) -> None:
    """Why a run ended before it could decide."""
    text = verdict_render.stopped(as_of, words, live)
    with may_fail("the artifact verdict could not be published"):
        markdown_artifact("verdict", f"as_of {as_of}: stopped, {words[:200]}", text)


@task(persist_result=False, name="publish backfill-plan")
def backfill_plan(planned: BackfillPlan) -> None:
    """What each day would run, reuse and cost."""
    words = f"{planned.first} to {planned.last}: {len(planned.running)} of {len(planned.days)} days run"
    words += f", {len(planned.blocked)} blocked" if planned.blocked else ""
    markdown_artifact("backfill-plan", words, backfill_render.plan_table(planned))


@task(persist_result=False, name="publish backfill")
def backfill(planned: BackfillPlan, outcomes: Sequence[DayOutcome], artifacts: str) -> None:
    """Day by day: verdict and metrics, their trend, and links to the days' pages where these are served."""
    urls = {outcome.as_of: report_url(artifacts, outcome.report) for outcome in outcomes if outcome.report}
    pages = {day: url for day, url in urls.items() if url}
    words = f"{planned.first} to {planned.last}: {len(outcomes)} of {len(planned.days)} days"
    text = backfill_render.outcome_table(planned, outcomes, pages)
    with may_fail("the artifact backfill could not be published"):
        markdown_artifact("backfill", words, text)
