"""A team's own expectations, from the Python file that its preset names."""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd_expectations.common import Expect, SuiteTable

_TABLES = (SuiteTable.REQUESTS.value, SuiteTable.ADS.value, SuiteTable.CANDIDATES.value)


def own_expectations(preset: Preset, table: SuiteTable) -> list[Expect]:
    """What `expectations(preset)` of the preset's file says of a table; nothing where the preset names no file.

    Raises ConfigError for a file that is not there, can't be run, lacks the function, or gives anything else than
    lists of `Expect` by table.
    """
    if preset.expectations is None:
        return []
    path = Path(preset.expectations)
    if not path.is_file():
        raise ConfigError(f"{path} does not exist; the preset's `expectations` must be a Python file")
    try:
        told = _function(path, path.stat().st_mtime_ns)(preset)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"expectations({preset.name}) in {path} failed: {error!r}; correct it") from error
    if not isinstance(told, dict) or (unknown := set(told) - set(_TABLES)):
        names = sorted(map(str, unknown)) if isinstance(told, dict) else type(told).__name__
        raise ConfigError(
            f"expectations({preset.name}) in {path} gave {names}; it must give lists by table: {list(_TABLES)}"
        )
    mine = told.get(table.value, [])
    if not isinstance(mine, list) or not all(isinstance(expect, Expect) for expect in mine):
        raise ConfigError(
            f"expectations({preset.name}) in {path} gave {mine!r} for {table.value}; it must be a list of Expect"
        )
    return mine


@cache
def _function(path: Path, _modified: int) -> Callable[[Preset], Any]:
    """The file's function; the file is run again once it was changed."""
    spec = importlib.util.spec_from_file_location(f"own_expectations_of_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file; the preset's `expectations` must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} can't be run: {error!r}") from error
    function = getattr(module, "expectations", None)
    if not callable(function):
        raise ConfigError(f"{path} lacks the function expectations(preset); write it")
    return function  # type: ignore[no-any-return]
