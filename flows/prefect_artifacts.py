"""Artifacts of flow runs, by which a person decides whether to trust a model, and events of a line of models.

An artifact is the Markdown of a document, which `mtmd.report` makes of what a stage returned. Its key is stable.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from mtmd.flows.parameters import scheduled_day
from mtmd.report.document import Document, Item, Items, Section, markdown
from mtmd.report.tables import plain, report_url
from mtmd.run import RunPlan

Event = Literal[
    "mtmd.champion.promoted",
    "mtmd.champion.kept",
    "mtmd.champion.rolled-back",
    "mtmd.champion.unfit",
    "mtmd.monitor.breach",
]


def tell(event: Event, line: str, day: date, champion: str | None, words: str, **more: str) -> None:
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
        payload={"day": str(day), "champion": champion, "words": words} | more,
    )


def publish(key: str, description: str, document: Document) -> None:
    """Publish a document as an artifact of this run; Prefect's pages read its description as Markdown, too.

    Where the server fails there is a warning: what a run has done stands, and its other work must be done.
    """
    try:
        create_markdown_artifact(
            markdown=markdown(document, narrow=True), key=key, description=plain(description)
        )
    except Exception as error:  # noqa: BLE001 - whatever the server or the way to it says
        get_run_logger().warning("the artifact %s could not be published: %s", key, error)


def publish_of_day(key: str, plan: RunPlan, document: Document, page: str | None = None) -> None:
    """Publish what a stage of a day's run found, with a link to the run's `page`."""
    publish(key, f"as_of {plan.as_of}", linked(document, plan.artifacts, page))


def linked(document: Document, artifacts: str | Path, page: str | Path | None) -> Document:
    """A document that begins with a link to its page, or the page's path where nothing serves it."""
    if page is None:
        return document
    url = report_url(artifacts, f"{page}")
    link = Section("", "", 0, [Items([Item("", "Report page", "" if url else f"{page}", url or "")])])
    return replace(document, sections=(link, *document.sections))
