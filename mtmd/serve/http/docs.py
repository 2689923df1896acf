"""The page /docs: the OpenAPI document as HTML for people, which loads nothing and runs no script."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

Schema = Mapping[str, Any]

_WHOLE = "Request"  # the schema whose every property is in an example
_UUID = "123e4567-e89b-42d3-a456-426614174000"
_RANGES = (  # keys of a schema, and what they count
    ("minimum", "maximum", ""),
    ("minItems", "maxItems", " values"),
    ("minLength", "maxLength", " characters"),
    ("minProperties", "maxProperties", " keys"),
)
_INTEGERS = {(-(2**31), 2**31 - 1): "32 bits", (-(2**63), 2**63 - 1): "64 bits"}
_NUMBERS = re.compile(r"\[\s+([^][{}]*?)\s+\]")  # a list of numbers or strings, a line each
_environment = Environment(
    loader=PackageLoader("mtmd.serve.http"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_docs(document: Schema, model_id: str, url: str) -> tuple[str, dict[str, str]]:
    """The page of an OpenAPI document that `openapi` made, and its headers; `url` is where the service was asked.

    The content security policy allows one style, by its digest, and nothing else.
    """
    css, _, _ = _environment.loader.get_source(_environment, "docs.css")  # type: ignore[union-attr]
    schemas: Schema = document["components"]["schemas"]
    operations = [
        (method.upper(), path, operation, _body(operation, schemas))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    page = _environment.get_template("docs.html").render(
        title=document["info"]["title"],
        model_id=model_id,
        url=url.rstrip("/"),
        operations=operations,
        schemas=schemas,
        asked={"RankQuestion", "EmbedQuestion", _WHOLE},
        keys="securitySchemes" in document["components"],
        css=css,
        bounds=bounds,
    )
    allowed = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'; form-action 'none'"
    return page, {"content-security-policy": f"{policy}; frame-ancestors 'none'"}


def example(schema: Schema, schemas: Schema, *, whole: bool = False) -> Any:
    """A value that the schema accepts: of an object what is required or has a default, or all with `whole`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example(schemas[name], schemas, whole=name == _WHOLE)
    if schema.get("default") is not None:
        return schema["default"]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    return _example_of_type(schema, schemas, whole)


def _example_of_type(schema: Schema, schemas: Schema, whole: bool) -> Any:
    match schema.get("type"):
        case "array":
            return [example(schema["items"], schemas)] * max(1, schema.get("minItems", 1))
        case "object":
            return {
                name: example(own, schemas)
                for name, own in schema.get("properties", {}).items()
                if whole or name in schema.get("required", ()) or own.get("default") is not None
            }
        case "string":
            return _UUID if schema.get("format") == "uuid" else "text"
        case _:
            return max(1, schema.get("minimum", 1))


def bounds(schema: Schema) -> str:
    """The bounds of a schema and of its alternatives and values, in words."""
    found = [
        f"{_range(one.get(low), one.get(high))}{what}"
        for one in _parts(schema)
        for low, high, what in _RANGES
        if low in one or high in one
    ]
    default = schema.get("default")
    return "; ".join(
        [*dict.fromkeys(found), *([] if default is None else [f"default {json.dumps(default)}"])]
    )


def _range(low: float | None, high: float | None) -> str:
    if (low, high) in _INTEGERS:
        return _INTEGERS[low, high]  # type: ignore[index]  # neither is None
    least, most = (
        None if one is None else f"{one:,}" if abs(one) < 1e6 else f"{one:g}" for one in (low, high)
    )
    if least == most:
        return f"exactly {least}"
    return f"up to {most}" if least is None else f"{least} or more" if most is None else f"{least} to {most}"


def _parts(schema: Schema) -> Iterator[Schema]:
    """A schema, its alternatives, and the schema of its values."""
    yield schema
    for inner in (*schema.get("anyOf", ()), *(schema[key] for key in ("items",) if key in schema)):
        yield from _parts(inner)


def _body(operation: Schema, schemas: Schema) -> tuple[str, str] | None:
    """The name of the schema of an operation's body, and an example of it."""
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return schema["$ref"].rpartition("/")[2], _written(example(schema, schemas))


def _written(value: Any) -> str:
    """JSON with a line for each key, and lists of numbers on one line."""
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(value, indent=2))
