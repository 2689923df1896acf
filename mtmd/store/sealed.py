"""JSON: its one text, and objects with the digest of their content beside it, by which any later change is noticed."""

import hashlib
import json
from datetime import date
from pathlib import PurePath
from typing import Any

from mtmd.errors import StorageError

SEAL = "content_sha256"  # the digest of all other keys


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with its seal."""
    return value | {SEAL: _digest(value)}


def parsed_json(content: bytes, path: object) -> Any:
    """A JSON value without its seal, from the bytes of a file.

    Raises StorageError where the content is no JSON, or not what was sealed.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not valid JSON ({error}); remove it and run again") from error
    if not isinstance(value, dict) or SEAL not in value:
        return value
    seal = value.pop(SEAL)
    if (found := _digest(value)) != seal:
        raise StorageError(
            f"{path} was altered: its content has sha256 {found}, but it was written with {seal}; remove it and run "
            "again"
        )
    return value


def _digest(value: dict[str, Any]) -> str:
    """NaN is allowed, unlike in `mtmd.store.files.digest`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed_text(value: Any) -> str:
    """What `write_json` writes with a seal."""
    # Sealed as it is after writing and reading: keys are texts then.
    return json_text(sealed(json.loads(json.dumps(value, default=plain))))


def json_text(value: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(value, indent=2, sort_keys=True, default=plain) + "\n"


def plain(value: Any) -> str:
    """The text of a date or a path; raises TypeError for other values that JSON has no form for."""
    if isinstance(value, date | PurePath):
        return str(value)
    raise TypeError(
        f"{value!r} is a {type(value).__name__}, which has no fixed text in JSON; convert it first"
    )
