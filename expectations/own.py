"""A team's own expectations, from the Python file that its preset names."""

import runpy
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.expectations.common import Expect, SuiteTable

_TOLD = TypeAdapter(dict[SuiteTable, list[Expect]])


def own_expectations(preset: Preset) -> dict[SuiteTable, list[Expect]]:
    """What `expectations(preset)` of the preset's file gives, by table; nothing where the preset names no file.

    Raises ConfigError for a file that is not there, can't be run, lacks the function, or gives anything else.
    """
    if preset.expectations is None:
        return {}
    path = Path(preset.expectations)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"{path}: the preset's `expectations` must be a Python file that exists")
    what = f"expectations({preset.name}) in {path}"
    try:
        told = _definitions(path, path.stat().st_mtime_ns)["expectations"](preset)
    except Exception as error:
        raise ConfigError(
            f"{what} can't be run: {error!r}; the file must define the function expectations(preset)"
        ) from error
    try:
        return _TOLD.validate_python(told)
    except ValidationError as error:
        tables = [table.value for table in SuiteTable]
        raise ConfigError(f"{what} gave {told!r}; it must give lists of Expect by table: {tables}") from error


def with_own(packaged: list[Expect], own: list[Expect], preset: Preset) -> list[Expect]:
    """The packaged expectations of a table, then the team's own.

    Raises ConfigError for a name that another expectation of the table has: results are told apart by names.
    """
    taken = {"has_rows", *(expect.name for expect in packaged)}
    for expect in own:
        if expect.name in taken:
            raise ConfigError(
                f"expectations({preset.name}) in {preset.expectations} gave {expect.name!r}, a name that another "
                "expectation of the table has: one would hide what the other finds; rename it"
            )
        taken.add(expect.name)
    return [*packaged, *own]


@cache
def _definitions(path: Path, _modified: int) -> dict[str, Any]:
    """What the file defines; it is run again once it was changed."""
    return runpy.run_path(str(path))
