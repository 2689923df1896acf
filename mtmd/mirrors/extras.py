"""How a mirror's optional library is imported."""

import importlib
from typing import Any

from mtmd.errors import MirrorError


def extra(module: str, name: str) -> Any:
    """An optional package's module; raises MirrorError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MirrorError(
            f"{error.name} is not installed, which this mirror needs; install it: pip install 'mtmd[{name}]'"
        ) from error
