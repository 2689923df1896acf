"""What the flows tell the server: events of a line of models, which automations turn into messages.

The resource of an event is the line, `mtmd.line.<preset>`. Its label `mtmd.day` is `newest` where the event is about
the newest complete day, and `earlier` where it is about a day before, as in a backfill. Runs that fail have Prefect's
own events.
"""

from datetime import date
from typing import Literal

from prefect.events import emit_event

from mtmd.flows.parameters import scheduled_day

Event = Literal[
    "mtmd.champion.promoted", "mtmd.champion.kept", "mtmd.champion.rolled-back", "mtmd.monitor.breach"
]


def tell(event: Event, line: str, day: date, champion: str | None, words: str) -> None:
    """Emit an event about a day of a line; `champion` is the live model."""
    emit_event(
        event=event,
        resource={
            "prefect.resource.id": f"mtmd.line.{line}",
            "prefect.resource.name": line,
            "mtmd.day": "newest" if day >= scheduled_day() else "earlier",
        },
        payload={"day": str(day), "champion": champion, "words": words},
    )
