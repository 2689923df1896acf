"""The settings of a preset: each with its value and the file that says it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtmd.config import Frozen, load_preset
from mtmd.config.preset_files import Said, preset_path, read_said, shipped_presets

DEFAULT = "default"
THIS_FILE = "this file"


class Setting(Frozen):
    """One key of a preset: its table ("" for the keys above all tables), its value as TOML, and who says it."""

    table: str
    key: str
    value: str | None
    origin: str


def settings(name_or_path: str) -> list[Setting]:
    """All keys of a preset, in the order of the sections; of tasks and features only what differs from the defaults.

    `origin` is `THIS_FILE`, `preset <name>` of a shipped one, the path of another file, or `DEFAULT`. The value is None
    where nothing is set. Raises ConfigError as `load_preset` does.
    """
    preset = load_preset(name_or_path)
    values = preset.model_dump(mode="json")
    values["domains"]["tasks"] = [task.model_dump(exclude_defaults=True) for task in preset.domains.tasks]
    values["features"] = [feature.model_dump(exclude_defaults=True) for feature in preset.features]
    path = preset_path(name_or_path)
    return list(_settings("", values, read_said(path), path))


def as_toml(listed: list[Setting]) -> str:
    """The settings as a TOML file, with the origin of each behind it; a key without a value is a comment."""
    lines: list[str] = []
    table = ""
    for setting in listed:
        if setting.table != table:
            table = setting.table
            lines += ["", f"[{table}]"]
        if setting.value is None:
            lines.append(f"# {setting.key} is not set  # {setting.origin}")
        else:
            first, *more = f"{setting.key} = {setting.value}".split("\n")
            lines += [f"{first}  # {setting.origin}", *more]
    return "\n".join(lines)


def _settings(table: str, values: dict[str, Any], said: dict[str, Any], path: Path) -> Iterator[Setting]:
    """Plain keys before tables, as TOML needs it."""
    for key, value in values.items():
        if not isinstance(value, dict):
            text = None if value is None else _toml(value)
            yield Setting(table=table, key=key, value=text, origin=_origin(said.get(key), path))
    for key, value in values.items():
        if isinstance(value, dict):
            inner = said.get(key)
            name = f"{table}.{key}" if table else key
            yield from _settings(name, value, inner if isinstance(inner, dict) else {}, path)


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
