"""The settings of a preset: each with its value and the file that says it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtmd.config import load_preset
from mtmd.config.preset_files import Said, preset_path, read_said, shipped_presets

DEFAULT = "default"
THIS_FILE = "this file"


def as_toml(name_or_path: str) -> str:
    """All keys of a preset as a TOML file, with the origin of each behind it; a key without a value is a comment.

    Of tasks and features only what differs from the defaults. The origin is `THIS_FILE`, `preset <name>` of a shipped
    one, the path of another file, or `DEFAULT`. Raises ConfigError as `load_preset` does.
    """
    preset = load_preset(name_or_path)
    values = preset.model_dump(mode="json")
    values["domains"]["tasks"] = [task.model_dump(exclude_defaults=True) for task in preset.domains.tasks]
    values["features"] = [
        {"kind": one.kind} | one.model_dump(exclude_defaults=True) for one in preset.features
    ]
    path = preset_path(name_or_path)
    return "\n".join(_lines("", values, read_said(path), path))


def _lines(table: str, values: dict[str, Any], said: Any, path: Path) -> Iterator[str]:
    """Plain keys before tables, as TOML needs it."""
    said = said if isinstance(said, dict) else {}
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if plain and table:
        yield from ("", f"[{table}]")
    for key, value in plain.items():
        origin = _origin(said.get(key), path)
        if value is None:
            yield f"# {key} is not set  # {origin}"
        else:
            first, *more = f"{key} = {_toml(value)}".split("\n")
            yield from (f"{first}  # {origin}", *more)
    for key in (key for key in values if key not in plain):
        yield from _lines(f"{table}.{key}" if table else key, values[key], said.get(key), path)


def _origin(entry: Any, path: Path) -> str:
    if not isinstance(entry, Said):
        return DEFAULT
    if entry.file == path:
        return THIS_FILE
    return f"preset {entry.file.stem}" if entry.file in shipped_presets().values() else str(entry.file)


def _toml(value: Any) -> str:
    """A value as TOML; a list of tables has a line for each."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        entries = [_toml(entry) for entry in value]
        if any(isinstance(entry, dict) for entry in value):
            return "\n".join(("[", *(f"  {entry}," for entry in entries), "]"))
        return f"[{', '.join(entries)}]"
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike in both
