"""OpenLineage events of daily runs: what began, what came of it, what was read and what was written.

Each event is the JSON object that is sent, by version 2-0-2 of the specification (openlineage.io/spec). What is read
and written is named by where it is, so that it is the same dataset to every job.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from mtmd.config import Preset
from mtmd.config.sources import Files
from mtmd.extras.mirrors.records import MirroredRun
from mtmd.extras.mirrors.settings import Settings
from mtmd.logs.contract import TABLES, table_columns
from mtmd.store.files import in_bucket, resolve
from mtmd.store.stores import store_of
from mtmd.store.workspace import Workspace

Event = dict[str, Any]
Ending = Literal["COMPLETE", "FAIL", "ABORT"]
_SPEC = "https://openlineage.io/spec"
_PRODUCER = f"urn:mtmd:{version('mtmd')}"
_FACETS = {  # name → version and title of its schema
    "nominalTime": ("1-0-1", "NominalTimeRunFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "tags": ("1-0-0", "TagsRunFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "documentation": ("1-1-0", "DocumentationJobFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
}
_WORDS = (
    "Retrains the ad ranker on the days before as_of, compares it with the champion, and promotes it or not."
)
_MESSAGE = 2000  # characters of an error


class Dataset(NamedTuple):
    """A dataset's name in OpenLineage."""

    namespace: str
    name: str


def started(run_id: str, at: datetime, as_of: date, preset: Preset, logs: str) -> Event:
    """A run begins; which days its window has is said when it ends."""
    tables = log_tables(preset, logs)
    inputs = [_input(preset, table, one) for table in TABLES for one in tables[table]]
    return _event("START", at, _run(run_id, as_of), preset, inputs, [])


def completed(
    run_id: str, at: datetime, preset: Preset, logs: str, workspace: Workspace, run: MirroredRun
) -> Event:
    """A run has decided: the days that it read, and the model that it made."""
    decision = run.decision
    tables = log_tables(preset, logs)
    days = sorted((*(run.manifest.window if run.manifest else ()), decision.as_of))
    inputs = [_input(preset, table, one, days) for table in TABLES for one in tables[table]]
    outputs = [_shards(workspace, days), _model(stored(workspace.root / "models"), decision.model_id)]
    if decision.promoted:
        outputs.append(_model(stored(workspace.root / "champion.json"), decision.model_id))
    tags = {
        "run": run.name,
        "model_id": decision.model_id,
        "promoted": str(decision.promoted).lower(),
        "words": decision.words,
        "champion": decision.champion or "none",
        **{f"gate {gate.name}": gate.result for gate in decision.verdict.gates},
    }
    return _event("COMPLETE", at, _run(run_id, decision.as_of, tags), preset, inputs, outputs)


def ended(ending: Ending, run_id: str, at: datetime, as_of: date, preset: Preset, words: str) -> Event:
    """A run that failed or was cancelled."""
    run = _run(run_id, as_of)
    run["facets"] |= _facet("errorMessage", message=words[:_MESSAGE], programmingLanguage="PYTHON")
    return _event(ending, at, run, preset, [], [])


def _event(
    kind: str,
    at: datetime,
    run: dict[str, Any],
    preset: Preset,
    inputs: Sequence[dict[str, Any]],
    outputs: Sequence[dict[str, Any]],
) -> Event:
    job_type = _facet("jobType", processingType="BATCH", integration="PREFECT", jobType="FLOW")
    job = {
        "namespace": preset.extra(Settings).namespace,
        "name": f"{preset.name}.daily-retrain",
        "facets": job_type | _facet("documentation", description=_WORDS, contentType="text/plain"),
    }
    return {
        "eventType": kind,
        "eventTime": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "producer": _PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": run,
        "job": job,
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def _run(run_id: str, as_of: date, tags: dict[str, str] | None = None) -> dict[str, Any]:
    """The flow run; its nominal time is the day that it is about."""
    first, after = (datetime.combine(as_of + timedelta(days=n), time(), UTC).isoformat() for n in (0, 1))
    facets = _facet("nominalTime", nominalStartTime=first, nominalEndTime=after)
    if tags:
        listed = [{"key": key, "value": value, "source": "MTMD"} for key, value in tags.items()]
        facets |= _facet("tags", tags=listed)
    return {"runId": run_id, "facets": facets}


def _input(preset: Preset, table: str, dataset: Dataset, days: Sequence[date] = ()) -> dict[str, Any]:
    columns = table_columns(preset.declarations)[table]
    fields = [{"name": name, "type": kind} for name, kind in columns.items()]
    read = _subset("Input", days) if days else {}
    return {**_named(dataset), "facets": _facet("schema", fields=fields), "inputFacets": read}


def _shards(workspace: Workspace, days: Sequence[date]) -> dict[str, Any]:
    """The encoded days; those of earlier runs are used again."""
    return {**_named(stored(workspace.shards)), "facets": {}, "outputFacets": _subset("Output", days)}


def _model(dataset: Dataset, model_id: str) -> dict[str, Any]:
    return {**_named(dataset), "facets": _facet("version", datasetVersion=model_id), "outputFacets": {}}


def _named(dataset: Dataset) -> dict[str, str]:
    return {"namespace": dataset.namespace, "name": dataset.name}


def _subset(side: Literal["Input", "Output"], days: Iterable[date]) -> dict[str, Any]:
    """The days of a table that were read or written."""
    partitions = [{"identifier": f"date={day}", "dimensions": {"date": str(day)}} for day in days]
    schema = f"{_SPEC}/facets/1-0-0/BaseSubsetDatasetFacet.json#/$defs/{side}Subset{side}DatasetFacet"
    condition = {"type": "partition", "partitions": partitions}
    facet = {"_producer": _PRODUCER, "_schemaURL": schema, f"{side.lower()}Condition": condition}
    return {"subset": facet}


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
            found[table] = tuple(_place(_folder(text), root) for text in config.templates(table))
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
