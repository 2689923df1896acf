"""What changed since the champion that a run was compared with: days, data and how it was made, in one table."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtmd.errors import RegistryError
from mtmd.registry.records import ModelManifest, RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report.past import made_by, origin
from mtmd.report.tables import Table, columns_of
from mtmd.report.text import short
from mtmd.store.workspace import Workspace

_MOST = 30  # keys of the preset that are listed
_LONG = 60  # characters of a value
_COSTS = {"window_rows", "training_seconds"}
_GONE = "not recorded"
_Row = tuple[str, str, str]


def since(workspace: Workspace, champion: str, run: Path, manifest: ModelManifest) -> Table:
    """The run beside the champion that it was compared with; `run` is the run's directory, `manifest` its model's.

    What is not recorded of the champion, such as when a clean-up removed its run, is said in words.
    """
    try:
        before = Registry(workspace.root).manifest(champion)
    except RegistryError:  # the clean-up removed the model
        before = None
    promoting = made_by(workspace, champion)
    return Table(
        title=f"Since champion {champion}",
        columns=columns_of("text", ("what", "champion", "this run")),
        rows=(*_days(before, manifest), *_made(origin(promoting) if promoting else None, origin(run))),
    )


def _days(before: ModelManifest | None, now: ModelManifest) -> Iterator[_Row]:
    yield "held-out day", str(before.as_of) if before else _GONE, str(now.as_of)
    yield "training days", _window(before), _window(now)
    if before and (same := set(before.window) & set(now.window)):
        again = sum(before.window[day] != now.window[day] for day in same)
        yield "shared training days with other data or features", "", f"{again} of {len(same)}"


def _window(manifest: ModelManifest | None) -> str:
    days = sorted(manifest.window) if manifest else []
    return f"{days[0]} to {days[-1]} ({len(days)})" if days else _GONE


def _made(before: RunOrigin | None, now: RunOrigin | None) -> Iterator[_Row]:
    """Keys of the preset, commit, packages and SQL that differ."""
    if before is None or now is None:
        yield "how it was made", "" if before else _GONE, "" if now else _GONE
        return
    first, second = (dict(_flat(made.model_dump(mode="json", exclude=_COSTS), "")) for made in (before, now))
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    for key in keys[:_MOST]:
        was, now_is = (short(values.get(key, "not there"), _LONG) for values in (first, second))
        yield key, was, now_is
    if len(keys) > _MOST:
        yield f"and {len(keys) - _MOST} more keys", "", ""
    if not keys:
        yield "how it was made", "", "as the champion was"


def _flat(values: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """(dotted key, JSON) of every value; a list of tables that have names goes by name, another list is one value."""
    if isinstance(values, list) and values and all(isinstance(one, dict) and "name" in one for one in values):
        values = {f"{one.get('side', '')}.{one['name']}".lstrip("."): one for one in values}
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, values if isinstance(values, str) else json.dumps(values)
