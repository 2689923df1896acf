"""The base of every configuration model, frozen and closed to unknown keys, and how changes are laid over values."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_SHOWN = 60  # characters of a wrong value


class Frozen(BaseModel):
    """An immutable configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExtraSettings(Frozen):
    """The base of an extra's `Settings`, the table `[extras.<name>]` of a preset (see `mtmd.extension`)."""

    def check(self, preset: Any) -> None:
        """Raise ValueError, in words, where another section of the preset does not fit these settings."""


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes` laid over them: tables key by key; anything else, lists too, as a whole."""
    tables = {
        key: merged(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return values | changes | tables


def requirement(message: str) -> str:
    """What pydantic says of a wrong value, in this project's words: `must be greater than or equal to 1`."""
    return re.sub(r"^(Value error, |\w+ should )", lambda m: "" if "error" in m[1] else "must ", message)


def shortened(value: Any) -> str:
    """A wrong value as it is shown in a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}…"


def wrong_values(error: ValidationError) -> str:
    """All that pydantic found, a line for each: the key, its value, and what it must be."""
    return "\n".join(f"  {_wrong(dict(found))}" for found in error.errors(include_url=False))


def _wrong(found: dict[str, Any]) -> str:
    key = ".".join(map(str, found["loc"]))
    match found["type"]:
        case "extra_forbidden":
            return f"{key}: no such key; correct its name, or remove it"
        case "missing":
            return f"{key}: missing; add it"
        case "value_error":
            return f"{key}: {requirement(found['msg'])}".removeprefix(": ")
        case _:
            return f"{key} ({shortened(found['input'])}) {requirement(found['msg'])}"
