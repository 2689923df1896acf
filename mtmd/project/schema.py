"""The JSON Schema of a preset's file, with which editors complete and check TOML."""

from typing import Any

from mtmd.config import Preset

_BASE = {
    "type": "string",
    "title": "Base",
    "description": "a shipped preset's name, or a path from this file's folder: what is not said here is its",
}


def preset_schema() -> dict[str, Any]:
    """Pydantic's schema of `Preset`, and `base`: a file that has one needs nothing else but a name of its own.

    Elements of lists, such as a feature, are never completed by a base, so what they need stays required.
    """
    schema = Preset.model_json_schema()
    needs = _taken_from_tables(schema, schema["$defs"])
    schema["properties"] = {"base": _BASE} | schema["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "if": {"required": ["base"]},
        "then": {"required": ["name"]},
        "else": needs,
    }


def _taken_from_tables(table: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Take `required` out of a table's schema and out of those of the tables in it; what was taken, as a schema."""
    inner = {}
    for key, value in table.get("properties", {}).items():
        reference = value.get("$ref", "").removeprefix("#/$defs/")
        if reference and (needs := _taken_from_tables(definitions[reference], definitions)):
            inner[key] = needs
    needs = {"required": required} if (required := table.pop("required", None)) else {}
    return needs | ({"properties": inner} if inner else {})
