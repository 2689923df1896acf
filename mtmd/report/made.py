"""How a model was made: preset, SQL, expectations, code, format numbers, packages, seeds and days, and what differs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import RegistryError
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import ModelManifest, RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report.past import made_by, origin
from mtmd.store.files import digest
from mtmd.store.workspace import Workspace

Values = dict[str, str]
_SHARD = "shard of "
_ADDED = ("sql", "expectation")  # records before these were written have neither


class Difference(Frozen):
    """One key whose values differ; None where one side does not have it."""

    what: str = Field(
        description="preset, declarations, code, format, package, sql, expectation, seed or data"
    )
    key: str
    first: str | None
    second: str | None


@dataclass(frozen=True)
class Made:
    """A model, or a run that decided about one, with what is recorded of how it was made."""

    model_id: str
    origin: RunOrigin | None

    @classmethod
    def of(cls, model_id: str, run: Path | None) -> "Made":
        return cls(model_id, None if run is None else origin(run))

    @classmethod
    def of_model(cls, workspace: Workspace, model_id: str) -> "Made":
        """By the run that promoted it, or else the latest that decided about it."""
        return cls.of(model_id, made_by(workspace, model_id))


def differing(workspace: Workspace, first: Made, second: Made) -> tuple[Difference, ...]:
    """What differs, section by section; the declarations where the preset of one side is not recorded.

    SQL and expectations are compared where both sides have a record of them.
    """
    known = first.origin is not None and second.origin is not None
    parts = [_parts(workspace, side, known) for side in (first, second)]
    for what in _ADDED:
        if not all(part.get(what) for part in parts):
            parts = [{name: values for name, values in part.items() if name != what} for part in parts]
    return tuple(
        difference
        for what in dict.fromkeys([*parts[0], *parts[1]])
        for difference in _of_section(what, parts[0].get(what, {}), parts[1].get(what, {}))
    )


def sql_changes(first: RunOrigin | None, second: RunOrigin | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each statement that differs, with its lines as a unified diff; nothing where one side is not recorded."""
    if first is None or second is None or not first.sql or not second.sql:
        return ()
    before, after = first.sql, second.sql
    names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    return tuple((name, _diff(before.get(name, ""), after.get(name, ""))) for name in names)


def _diff(before: str, after: str) -> tuple[str, ...]:
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return tuple(line for line in lines if not line.startswith(("---", "+++")))


def _of_section(what: str, first: Values, second: Values) -> Iterator[Difference]:
    """The keys whose values differ; a training day that only one side has is said by their first and last day.

    A table that is empty on one side differs by its keys on the other.
    """
    for key in dict.fromkeys([*first, *second]):
        a, b = first.get(key), second.get(key)
        one_sided = None in {a, b}
        if a != b and not (one_sided and (key.startswith(_SHARD) or "{}" in {a, b})):
            yield Difference(what=what, key=key, first=a, second=b)


def _parts(workspace: Workspace, side: Made, known: bool) -> dict[str, Values]:
    """All that is recorded of how a model was made, in sections of flat keys."""
    record, manifest = side.origin, _manifest(workspace, side.model_id)
    commit = record.git_commit if record else manifest and manifest.git_commit
    packages = record.packages if record else manifest.packages if manifest else {}
    parts = {"code": {"git_commit": str(commit)}, "package": dict(packages)}
    if known and record is not None:
        parts["preset"] = dict(flat(record.preset))
        parts["format"] = dict(flat(record.formats))
        parts["sql"] = {name: digest(text)[:10] for name, text in record.sql.items()}
        parts["expectation"] = record.expectations
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
        names = _names(values)
        yield f"{prefix} (order)", ", ".join(names)
        values = dict(
            zip(names, ({k: v for k, v in one.items() if k != "name"} for one in values), strict=True)
        )
    if not isinstance(values, dict) or not values:
        yield prefix, values if isinstance(values, str) else json.dumps(values)
        return
    for key, value in values.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key))


def _names(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name of each table; with its side where both sides have a feature of the name."""
    names = [str(one["name"]) for one in tables]
    return [
        f"{one.get('side')}.{name}" if names.count(name) > 1 else name
        for name, one in zip(names, tables, strict=True)
    ]
