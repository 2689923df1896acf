"""How the core finds what extras add, without importing any of them.

An extra is a folder of `mtmd/extras/` whose name stands in `mtmd.extras.EXTRAS`. It adds something at a *seam*: a
module of a fixed name in its folder, which the core asks for here. The class `Settings` in its `__init__.py`, where it
has one, is the table `[extras.<name>]` of a preset. docs/architecture.md lists the seams, and who asks for each.
"""

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from mtmd.errors import ConfigError, MtmdError

_PACKAGE = "mtmd.extras"


def names() -> tuple[str, ...]:
    """The registered extras."""
    registered: tuple[str, ...] = importlib.import_module(_PACKAGE).EXTRAS
    return registered


def settings() -> dict[str, Any]:
    """The class `Settings` of each extra that has one, by the extra's name."""
    packages = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in names()}
    return {name: package.Settings for name, package in packages.items() if hasattr(package, "Settings")}


def modules(seam: str) -> dict[str, ModuleType]:
    """The module `seam` of each extra that has one, by the extra's name."""
    found = {name: module(name, seam) for name in names()}
    return {name: there for name, there in found.items() if there is not None}


def module(extra: str, seam: str) -> ModuleType | None:
    """The module `seam` of one extra; None where the extra is not registered, or adds nothing there."""
    place = f"{_PACKAGE}.{extra}"
    if extra not in names() or find_spec(f"{place}.{seam}") is None:
        return None
    return importlib.import_module(f"{place}.{seam}")


def required(extra: str, seam: str, wanted: str) -> ModuleType:
    """The module `seam` of an extra that something can't do without; `wanted` says what that is.

    Raises ConfigError where the extra is not registered.
    """
    found = module(extra, seam)
    if found is None:
        raise ConfigError(
            f"{wanted} needs the extra {extra!r}, which is not in mtmd.extras.EXTRAS "
            f"({', '.join(names()) or 'empty'}); register it there, or change the setting"
        )
    return found


def library(name: str, extra: str, use: str, error: type[MtmdError] = ConfigError) -> ModuleType:
    """An optional library's module, such as `obstore.store`; `use` says what needs it, such as "reads buckets".

    Raises `error` that says how to install it: `pip install 'mtmd[<extra>]'`.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise error(
            f"{missing.name} is not installed, which {use}; install it: pip install 'mtmd[{extra}]'"
        ) from missing
