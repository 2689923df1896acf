"""What differs between two models or runs in how they were made: preset, code, format numbers, packages, days."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import RegistryError
from mtmd.inspect.models import NamedModel, find
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import ModelManifest, RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report.past import origin
from mtmd.store.workspace import Workspace

Values = dict[str, str]
_SHARD = "shard of "


class Difference(Frozen):
    """One key whose values differ; None where one side does not have it."""

    what: str = Field(description="preset, declarations, code, format, package, seed or data")
    key: str
    first: str | None
    second: str | None


class Differences(Frozen):
    """What `mtmd diff` says."""

    first: str
    second: str
    notes: tuple[str, ...] = Field(description="what could not be compared, and why")
    differences: tuple[Difference, ...]


def differences(workspace: Workspace, first: str, second: str) -> Differences:
    """Compare how two models or runs were made; raises RegistryError for a name that fits none, or several."""
    sides = [find(workspace, name) for name in (first, second)]
    origins = [None if side.run is None else origin(side.run) for side in sides]
    known = all(origins)
    notes = tuple(
        f"the preset and the formats of {name} are not recorded (its run's record is gone, or older): the declarations "
        "of the models are compared instead"
        for name, record in zip((first, second), origins, strict=True)
        if record is None
    )
    parts = [_parts(workspace, side, record, known) for side, record in zip(sides, origins, strict=True)]
    return Differences(
        first=_label(sides[0]),
        second=_label(sides[1]),
        notes=notes,
        differences=tuple(
            difference
            for what in dict.fromkeys([*parts[0], *parts[1]])
            for difference in _of_section(what, parts[0].get(what, {}), parts[1].get(what, {}))
        ),
    )


def _of_section(what: str, first: Values, second: Values) -> Iterator[Difference]:
    """The keys whose values differ; a training day that only one side has is said by their first and last day."""
    for key in dict.fromkeys([*first, *second]):
        a, b = first.get(key), second.get(key)
        if a != b and not (key.startswith(_SHARD) and None in {a, b}):
            yield Difference(what=what, key=key, first=a, second=b)


def _label(side: NamedModel) -> str:
    return side.model_id if side.run is None else f"{side.model_id} (run {side.run.name})"


def _parts(
    workspace: Workspace, side: NamedModel, record: RunOrigin | None, known: bool
) -> dict[str, Values]:
    """All that is recorded of how a model was made, in sections of flat keys."""
    manifest = _manifest(workspace, side.model_id)
    commit = record.git_commit if record else manifest and manifest.git_commit
    packages = record.packages if record else manifest.packages if manifest else {}
    parts = {"code": {"git_commit": str(commit)}, "package": dict(packages)}
    if known and record is not None:
        parts["preset"] = dict(flat(record.preset))
        parts["format"] = dict(flat(record.formats))
    elif manifest is not None:
        bundle = load_bundle(Registry(workspace.root).path(side.model_id))
        parts["declarations"] = dict(flat(bundle.declarations.model_dump(mode="json")))
    if manifest is not None:
        parts["seed"] = dict(flat(manifest.seeds))
        parts["data"] = _data(manifest)
    return parts


def _manifest(workspace: Workspace, model_id: str) -> ModelManifest | None:
    """None where the clean-up removed the model of a run."""
    try:
        return Registry(workspace.root).manifest(model_id)
    except RegistryError:
        return None


def _data(manifest: ModelManifest) -> Values:
    """The days, each with the beginning of its shard's fingerprint: other logs, SQL or features give another one."""
    days = sorted(manifest.window)
    return {
        "as_of": str(manifest.as_of),
        "training days": f"{days[0]} to {days[-1]} ({len(days)})",
        "held-out shard": str(manifest.held_out)[:10],
        **{f"{_SHARD}{day}": manifest.window[day][:10] for day in days},
    }


def flat(values: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, JSON) of every value; lists of tables that have names go by name, other lists are one value."""
    if isinstance(values, list) and values and all(isinstance(one, dict) and "name" in one for one in values):
        names = [str(one["name"]) for one in values]
        yield f"{prefix} (order)", ", ".join(names)
        values = dict(
            zip(names, ({k: v for k, v in one.items() if k != "name"} for one in values), strict=True)
        )
    if not isinstance(values, dict) or not values:
        yield prefix, values if isinstance(values, str) else json.dumps(values)
        return
    for key, value in values.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key))
