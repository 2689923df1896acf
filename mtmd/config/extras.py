"""`[extras.<name>]` of a preset: a table for each registered extra that has settings."""

from typing import TYPE_CHECKING

from pydantic import create_model

from mtmd import extension
from mtmd.config.base import ExtraSettings, Frozen

if TYPE_CHECKING:

    class Extras(Frozen):
        """The settings of every extra, by its name."""
else:
    _SETTINGS: dict[str, type[ExtraSettings]] = {
        name: there.Settings for name, there in extension.modules("settings").items()
    }
    Extras = create_model(
        "Extras",
        __base__=Frozen,
        __doc__="The settings of every extra, by its name.",
        **{name: (settings, settings()) for name, settings in _SETTINGS.items()},
    )
