"""The base of every configuration model, frozen and closed to unknown keys, and how changes are laid over values."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(Frozen):
    """A section of a preset. Of infinity there is no JSON: it would end a run where an output is named by it."""

    model_config = ConfigDict(allow_inf_nan=False)


class ExtraSettings(Section):
    """The base of an extra's `Settings`, the table `[extras.<name>]` of a preset (see `mtmd.extension`)."""

    def check(self, preset: Any) -> None:
        """Raise ValueError, in words, where another section of the preset does not fit these settings."""

    def recipe(self) -> dict[str, Any]:
        """What of them decides trained weights, and so is part of a training's name; empty where that is nothing."""
        return {}


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes` laid over them: tables key by key; anything else, lists too, as a whole."""
    tables = {
        key: merged(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return values | changes | tables
