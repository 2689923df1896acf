"""OpenLineage events that wait to be sent: a file for each, removed when it was delivered.

An event is kept as it was when it happened, so what is sent later, or twice, is the same. Consumers take an event that
comes twice as one: it has the same run, type and time. Events go by HTTP to OPENLINEAGE_URL, as OpenLineage's own
clients send them; OPENLINEAGE_API_KEY and OPENLINEAGE_ENDPOINT are read, too.
"""

import os
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.extras.mirrors.events import Event
from mtmd.store.files import remove, write_json
from mtmd.store.workspace import Workspace

_WAITING = "mirrors/events"  # below the line
_URL = "OPENLINEAGE_URL"
_REFUSED = {400, 413, 422}  # of this event alone
_TIMEOUT_S = 10.0


def keep(workspace: Workspace, event: Event) -> Path:
    """Store an event until it is sent; names are in the order of their times."""
    at = event["eventTime"].replace(":", "")
    path = workspace.root / _WAITING / f"{at}-{event['eventType']}-{event['run']['runId']}.json"
    write_json(path, event)
    return path


def send(workspace: Workspace, _preset: Preset) -> tuple[str, bool]:
    """Send what waits, the oldest first; what came of it in words, and whether that is all.

    An event that the server refuses is kept and does not hold up the others. Raises ConfigError where there is no
    address, and OSError where no event can be sent.
    """
    if not (url := os.environ.get(_URL, "")).startswith(("http://", "https://")):
        raise ConfigError(f"the environment variable {_URL} is {url!r}; set it to the address of a server")
    address = f"{url.rstrip('/')}/{os.environ.get('OPENLINEAGE_ENDPOINT', 'api/v1/lineage')}"
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENLINEAGE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    waiting = sorted((workspace.root / _WAITING).glob("*.json"))
    refused: list[str] = []
    for path in waiting:
        request = Request(address, path.read_bytes(), headers)
        try:
            with urlopen(request, timeout=_TIMEOUT_S):
                remove(path)
        except HTTPError as error:
            if error.code not in _REFUSED:
                raise
            refused.append(f"{path.name} ({error})")
            error.close()
    sent = f"{len(waiting) - len(refused)} events were sent"
    return (f"{sent}; the server refuses {', '.join(refused)}", False) if refused else (sent, True)
