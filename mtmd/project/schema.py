"""The JSON Schema of a preset's file, with which editors complete and check TOML."""

from collections.abc import Iterator
from typing import Any

from mtmd.config import Preset

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
