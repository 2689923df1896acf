"""The settings of a preset: each with its value and the file that says it, and the JSON Schema of a preset's file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtmd.config import Frozen, Preset, load_preset
from mtmd.config.preset_files import Said, preset_path, read_said, shipped_presets

DEFAULT = "default"
THIS_FILE = "this file"

_BASE = {
    "type": "string",
    "title": "Base",
    "description": "a shipped preset's name, or a path from this file's folder: what is not said here is its",
}
_MORE_FEATURES = "features beside those of the base"
_CHANGE_FEATURES = {
    "type": "object",
    "title": "Change Features",
    "description": "what is different of features of the base, by their names",
    "additionalProperties": {"type": "object"},
}


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


def preset_schema() -> dict[str, Any]:
    """Pydantic's schema of `Preset`, and `base`: a file that has one needs nothing else but a name of its own.

    Elements of lists, such as a feature, are never completed by a base, so what they need stays required.
    """
    schema = Preset.model_json_schema()
    needs = _needs(schema, schema["$defs"])
    for table in (schema, *_tables_in(schema, schema["$defs"])):
        table.pop("required", None)
    more = schema["properties"]["features"] | {"title": "More Features", "description": _MORE_FEATURES}
    of_base = {"change_features": _CHANGE_FEATURES, "more_features": more}
    schema["properties"] = {"base": _BASE} | schema["properties"] | of_base
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "if": {"required": ["base"]},
        "then": {"required": ["name"]},
        "else": needs,
    }


def _needs(table: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What a table requires, and what the tables in it do, as a schema."""
    needs = {"required": table["required"]} if "required" in table else {}
    inner = {
        key: below
        for key, value in table["properties"].items()
        if (name := _reference(value)) and (below := _needs(definitions[name], definitions))
    }
    return needs | ({"properties": inner} if inner else {})


def _tables_in(table: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for value in table["properties"].values():
        if name := _reference(value):
            yield definitions[name]
            yield from _tables_in(definitions[name], definitions)


def _reference(value: dict[str, Any]) -> str:
    """The definition of a key that is a table; empty for another one."""
    return str(value.get("$ref", "")).removeprefix("#/$defs/")
