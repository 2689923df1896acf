"""A team's own expectations, from the Python file that its preset names.

Results are told apart by their names, so a name is used once in a table.
"""

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.expectations.common import HAS_ROWS, Expect, Needs, Severity, SuiteTable

_TABLES = (SuiteTable.REQUESTS.value, SuiteTable.ADS.value, SuiteTable.CANDIDATES.value)


def with_own(packaged: Sequence[Expect], preset: Preset, table: SuiteTable) -> list[Expect]:
    """The packaged expectations of a table, then the team's own.

    Raises ConfigError as `own_expectations` does, and for a name that another expectation of the table has.
    """
    own = own_expectations(preset, table)
    taken = {HAS_ROWS, *(expect.name for expect in packaged)}
    for expect in own:
        if expect.name in taken:
            raise ConfigError(
                f"expectations({preset.name}) in {preset.expectations} gave {expect.name!r} for {table.value}, a name "
                "that another expectation of this table has: one would hide what the other finds; rename it"
            )
        taken.add(expect.name)
    return [*packaged, *own]


def own_expectations(preset: Preset, table: SuiteTable) -> list[Expect]:
    """What `expectations(preset)` of the preset's file says of a table; nothing where the preset names no file.

    Raises ConfigError for a file that is not there, can't be run, lacks the function, or gives anything else than
    lists of `Expect` by table, with a `Severity` and `Needs`.
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
    for expect in mine:
        _require_members(
            expect, f"expectations({preset.name}) in {path} gave {expect.name!r} for {table.value}"
        )
    return mine


def _require_members(expect: Expect, what: str) -> None:
    for key, kind in (("severity", Severity), ("needs", Needs)):
        if not isinstance(value := getattr(expect, key), kind):
            members = [f"{kind.__name__}.{member.name}" for member in kind]
            raise ConfigError(f"{what} with {key} {value!r}; it must be one of {', '.join(members)}")


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
