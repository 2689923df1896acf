"""OpenLineage events that wait to be sent: a file for each, removed when it was delivered.

An event is kept as it was when it happened, so what is sent later, or twice, is the same. Consumers take an event that
comes twice as one: it has the same run, type and time.
"""

from pathlib import Path
from typing import Any

from mtmd.errors import StorageError
from mtmd.extension import library
from mtmd.extras.mirrors.events import Event
from mtmd.extras.mirrors.state import MirrorError
from mtmd.store.files import read_json, remove, write_json
from mtmd.store.workspace import Workspace

_WAITING = "mirrors/events"  # below the line
_WHERE = "OPENLINEAGE_URL, OPENLINEAGE__TRANSPORT or OPENLINEAGE_CONFIG"
_REFUSED = {400, 413, 422}  # of this event alone
_CONSOLE = "console"  # what the client writes to where nothing says where to


def keep(workspace: Workspace, event: Event) -> Path:
    """Store an event until it is sent; names are in the order of their times."""
    at = event["eventTime"].replace(":", "")
    path = workspace.root / _WAITING / f"{at}-{event['eventType']}-{event['run']['runId']}.json"
    write_json(path, event)
    return path


def send(workspace: Workspace) -> tuple[str, bool]:
    """Send what waits, the oldest first; what came of it in words, and whether that is all.

    An event that the server refuses, or whose file was damaged, is kept and does not hold up the others. Raises
    MirrorError where the library or the address is missing, and what the client raises where no event can be sent.
    """
    client = _client()
    waiting = sorted((workspace.root / _WAITING).glob("*.json"))
    sent, refused = 0, ""
    for path in waiting:
        try:
            # Not by the client's own `emit`, which would add its settings of now to an event of then.
            client.transport.emit(_as_sent(read_json(path)))
        except Exception as error:
            if not (refused := _refusal(error)):
                raise
            continue
        remove(path)
        sent += 1
    if sent == len(waiting):
        return f"all events are sent, {sent} of them now", True
    why = f" (refused: {refused})" if refused else ""
    return (
        f"{sent} events were sent; {len(waiting) - sent} wait{why} for the next run or `mtmd mirror`",
        False,
    )


def _refusal(error: BaseException | None) -> str:
    """What a server says of an event that it does not take, as the client raised it; empty for any other error.

    Or what is wrong with the event's file, which no server has seen.
    """
    if isinstance(error, StorageError):
        return str(error)
    while error is not None:
        if getattr(getattr(error, "response", None), "status_code", None) in _REFUSED:
            return str(error)
        error = error.__cause__
    return ""


def _client() -> Any:
    client = library(
        "openlineage.client", "openlineage", "this mirror needs", MirrorError
    ).OpenLineageClient()
    if client.transport.kind == _CONSOLE and not (client.config.transport or {}).get("type"):
        raise MirrorError(
            f"none of the environment variables {_WHERE} says where events go; set OPENLINEAGE_URL to a server's "
            "address, or OPENLINEAGE__TRANSPORT to a file (docs/extras/mirrors.md)"
        )
    if client.transport.kind == "composite":  # otherwise what one of them did not get would be forgotten
        client.transport.config.continue_on_failure = False
    return client


def _as_sent(event: Event) -> Any:
    """The client's own event; facets stay as they are."""
    own = library("openlineage.client.event_v2", "openlineage", "this mirror needs", MirrorError)
    run, job = event["run"], event["job"]
    return own.RunEvent(
        eventType=own.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=own.Run(run["runId"], run["facets"]),
        job=own.Job(job["namespace"], job["name"], job["facets"]),
        inputs=[
            own.InputDataset(one["namespace"], one["name"], one["inputFacets"], facets=one["facets"])
            for one in event["inputs"]
        ],
        outputs=[
            own.OutputDataset(one["namespace"], one["name"], one["outputFacets"], facets=one["facets"])
            for one in event["outputs"]
        ],
    )
