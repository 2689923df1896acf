"""`[extras.<name>]` of a preset: a table for each registered extra that has settings."""

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import create_model

from mtmd import extension
from mtmd.config.base import ExtraSettings, Frozen

_Settings = TypeVar("_Settings", bound=ExtraSettings)


class _Extras(Frozen):
    """The settings of every extra, by its name."""

    def of(self, kind: type[_Settings]) -> _Settings:
        """The settings of an extra, by their class."""
        return next(settings for _, settings in self if isinstance(settings, kind))

    def recipes(self) -> dict[str, dict[str, Any]]:
        """What of each extra's settings decides trained weights, of those where that is something."""
        found = {name: settings.recipe() for name, settings in self}
        return {name: recipe for name, recipe in found.items() if recipe}


if TYPE_CHECKING:

    class Extras(_Extras):
        """The settings of every extra, by its name."""
else:
    _SETTINGS: dict[str, type[ExtraSettings]] = {
        name: there.Settings for name, there in extension.modules("settings").items()
    }
    Extras = create_model(
        "Extras",
        __base__=_Extras,
        __doc__="The settings of every extra, by its name.",
        **{name: (settings, settings()) for name, settings in _SETTINGS.items()},
    )
