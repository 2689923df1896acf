"""OpenLineage events of daily runs: what began, what came of it, what was read and what was written.

Each event is the JSON object that is sent, by version 2-0-2 of the specification (openlineage.io/spec). What is read
and written is named by where it is, so that it is the same dataset to every job.
"""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from mtmd.config import Preset
from mtmd.config.sources import Files
from mtmd.errors import ConfigError
from mtmd.extras.mirrors.settings import Settings
from mtmd.logs.contract import TABLES, table_columns
from mtmd.registry.records import ModelManifest
from mtmd.store.files import remove, write_json
from mtmd.store.stores import in_bucket, resolve, store_of
from mtmd.store.workspace import Workspace

Event = dict[str, Any]
Ending = Literal["FAIL", "ABORT"]
_SPEC = "https://openlineage.io/spec"
_PRODUCER = f"urn:mtmd:{version('mtmd')}"
_FACETS = {  # name → version and title of its schema
    "nominalTime": ("1-0-1", "NominalTimeRunFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
}
_MESSAGE = 2000  # characters of an error


class Dataset(NamedTuple):
    """A dataset's name in OpenLineage."""

    namespace: str
    name: str


def started(run_id: str, at: datetime, as_of: date, preset: Preset, logs: str) -> Event:
    """A run begins; which days its window has is said when it ends."""
    return _event("START", at, _run(run_id, as_of), preset, _inputs(preset, logs))


def completed(
    run_id: str,
    at: datetime,
    preset: Preset,
    logs: str,
    workspace: Workspace,
    manifest: ModelManifest,
    *,
    promoted: bool,
) -> Event:
    """A run has decided about a model: the days that it read, and where the model is."""
    places = ["models", *(["champion.json"] if promoted else ())]
    model = _facet("version", datasetVersion=manifest.model_id)
    outputs = [_dataset(stored(workspace.root / name), model) for name in places]
    days = sorted((*manifest.window, manifest.as_of))
    inputs = [one | {"inputFacets": _subset(days)} for one in _inputs(preset, logs)]
    return _event("COMPLETE", at, _run(run_id, manifest.as_of), preset, inputs, outputs)


def ended(ending: Ending, run_id: str, at: datetime, as_of: date, preset: Preset, words: str) -> Event:
    """A run that failed or was cancelled."""
    run = _run(run_id, as_of)
    run["facets"] |= _facet("errorMessage", message=words[:_MESSAGE], programmingLanguage="PYTHON")
    return _event(ending, at, run, preset)


def _event(
    kind: str,
    at: datetime,
    run: dict[str, Any],
    preset: Preset,
    inputs: Sequence[dict[str, Any]] = (),
    outputs: Sequence[dict[str, Any]] = (),
) -> Event:
    return {
        "eventType": kind,
        "eventTime": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": run,
        "job": {
            "namespace": preset.extra(Settings).namespace,
            "name": f"{preset.name}.daily-retrain",
            "facets": {},
        },
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def _run(run_id: str, as_of: date) -> dict[str, Any]:
    """The flow run; its nominal time is the day that it is about."""
    first, after = (datetime.combine(as_of + timedelta(days=n), time(), UTC).isoformat() for n in (0, 1))
    return {
        "runId": run_id,
        "facets": _facet("nominalTime", nominalStartTime=first, nominalEndTime=after),
    }


def _inputs(preset: Preset, logs: str) -> list[dict[str, Any]]:
    """The tables with their columns."""
    found = []
    for table, datasets in log_tables(preset, logs).items():
        columns = table_columns(preset.declarations)[table]
        fields = [{"name": name, "type": kind} for name, kind in columns.items()]
        found += [_dataset(dataset, _facet("schema", fields=fields)) for dataset in datasets]
    return found


def _dataset(dataset: Dataset, facets: dict[str, Any]) -> dict[str, Any]:
    return {**dataset._asdict(), "facets": facets}


def _subset(days: Sequence[date]) -> dict[str, Any]:
    """The days of a table that were read."""
    partitions = [{"identifier": f"date={day}", "dimensions": {"date": str(day)}} for day in days]
    schema = f"{_SPEC}/facets/1-0-0/BaseSubsetDatasetFacet.json#/$defs/InputSubsetInputDatasetFacet"
    condition = {"type": "partition", "partitions": partitions}
    return {"subset": {"_producer": _PRODUCER, "_schemaURL": schema, "inputCondition": condition}}


def _facet(name: str, **values: Any) -> dict[str, Any]:
    number, title = _FACETS[name]
    schema = f"{_SPEC}/facets/{number}/{title}.json#/$defs/{title}"
    return {name: {"_producer": _PRODUCER, "_schemaURL": schema, **values}}


def log_tables(preset: Preset, logs: str) -> dict[str, tuple[Dataset, ...]]:
    """The datasets of each table of the log contract; days are parts of them.

    A table that is no files is named by its kind and by what the preset calls it.
    """
    root = logs if in_bucket(logs) else str(resolve(logs))
    found: dict[str, tuple[Dataset, ...]] = {}
    for table in TABLES:
        config = preset.sources.of(table)
        if isinstance(config, Files):
            found[table] = (_place(_folder(config.template(table)), root),)
        else:
            name = getattr(config, "path", None) or getattr(config, "table", table)
            found[table] = (Dataset(config.kind, str(name)),)
    return found


def stored(path: Path) -> Dataset:
    """Something below the artifacts: in their bucket if they are in one, and not in a machine's working folder."""
    return _place(store_of(path).place(path), "/")


def _folder(template: str) -> str:
    """The part of a template that all days share, in whole folders; of days that are files, the template itself."""
    return template.partition("{")[0].rpartition("/")[0] or template


def _place(location: str, root: str) -> Dataset:
    """A path, or an address such as s3://bucket/folder; seen from a folder or a bucket's URL."""
    if "://" not in location and not in_bucket(root):
        return Dataset("file", str(Path(root) / location))
    address = urlsplit(location if "://" in location else f"{root.rstrip('/')}/{location}")
    return Dataset(f"{address.scheme}://{address.netloc.rpartition('@')[2]}", address.path.strip("/"))


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
