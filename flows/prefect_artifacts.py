"""Artifacts of flow runs, by which a person decides whether to trust a model, and events of a line of models.

An artifact is the Markdown of a document, which `mtmd.report` makes of what a stage returned. Its key is stable.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Literal, TypeVar

from prefect import Task, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from mtmd.evaluate.ablation import Ablation
from mtmd.flows.parameters import scheduled_day
from mtmd.jobs.backfill import BackfillDay
from mtmd.promote.findings import RunSummary
from mtmd.report import jobs, view
from mtmd.report.document import Document, Item, Items, Section, markdown
from mtmd.report.tables import plain, report_url
from mtmd.run import RunPlan

_Result = TypeVar("_Result")
Event = Literal[
    "mtmd.champion.promoted", "mtmd.champion.kept", "mtmd.champion.rolled-back", "mtmd.monitor.breach"
]


def tell(event: Event, line: str, day: date, champion: str | None, words: str) -> None:
    """Emit an event about a day of a line, which automations turn into messages; `champion` is the live model.

    Its label `mtmd.day` is `newest` for the newest complete day, and `earlier` for a day before, as in a backfill.
    """
    emit_event(
        event=event,
        resource={
            "prefect.resource.id": f"mtmd.line.{line}",
            "prefect.resource.name": line,
            "mtmd.day": "newest" if day >= scheduled_day() else "earlier",
        },
        payload={"day": str(day), "champion": champion, "words": words},
    )


def publish(key: str, description: str, document: Document) -> None:
    """Publish a document as an artifact of this run."""
    markdown_artifact(key, description, markdown(document, narrow=True))


def markdown_artifact(key: str, description: str, text: str) -> None:
    """Publish an artifact of this run. Prefect's pages read descriptions as Markdown too: this one stays plain.

    Where the server fails there is a warning: what a run has done stands, and its other work must be done.
    """
    try:
        create_markdown_artifact(markdown=text, key=key, description=plain(description))
    except Exception as error:  # noqa: BLE001 - whatever the server or the way to it says
        get_run_logger().warning("the artifact %s could not be published: %s", key, error)


def _of_stage(key: str, made: Callable[[RunPlan, _Result], Document]) -> Task[[RunPlan, _Result], None]:
    """The task that publishes what a stage of a day's run returned."""

    @task(persist_result=False, name=f"publish {key}")
    def publish_stage(planned: RunPlan, result: _Result) -> None:
        publish(key, f"as_of {planned.as_of}", made(planned, result))

    return publish_stage


data_quality = _of_stage("data-quality", view.data_quality)  # what the suites said
training = _of_stage("training", view.training)  # curves and a summary of each training
metrics = _of_stage("metrics", view.metrics)  # held-out metrics by slice and rank bucket
parity = _of_stage("parity", view.parity)  # the exported files beside the trained model


@task(persist_result=False, name="publish ablation")
def ablation(planned: RunPlan, ablated: Ablation, page: str | None = None) -> None:
    """What each factor contributes (paper Table 6); `page` is the run's, which has a section for it."""
    document = view.ablation(planned, ablated)
    linked = document if page is None else _linked(planned, document, page)
    publish("ablation", f"as_of {planned.as_of}", linked)


@task(persist_result=False, name="publish verdict")
def verdict(planned: RunPlan, summary: RunSummary) -> None:
    """Promoted, or kept, and why."""
    linked = _linked(planned, view.decision(summary, planned.preset.gates), summary.places["report"])
    publish("verdict", f"as_of {planned.as_of}: {summary.words[:200]}", linked)


def _linked(planned: RunPlan, document: Document, page: str) -> Document:
    """With a link to the run's page, or its path where nothing serves it."""
    url = report_url(planned.artifacts, page)
    link = Section("", "", 0, [Items([Item("", "Report page", "" if url else page, url or "")])])
    return replace(document, sections=(link, *document.sections))


@task(persist_result=False, name="publish verdict")
def stopped(as_of: date, words: str, live: str | None) -> None:
    """Why a run ended before it could decide."""
    publish("verdict", f"as_of {as_of}: stopped, {words[:200]}", jobs.stopped(as_of, words, live))


@task(persist_result=False, name="publish backfill")
def backfill(days: Sequence[BackfillDay], artifacts: str) -> None:
    """Day by day: what would run, what it ended with, and links to the days' pages where these are served."""
    urls = {day.as_of: report_url(artifacts, day.report) for day in days if day.report}
    document = jobs.backfill(days, {day: url for day, url in urls.items() if url})
    publish("backfill", document.title, document)
