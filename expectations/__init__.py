"""What a day of logs must hold: one great-expectations suite per table.

Suites are built from a preset alone, so they are the same for every day; what belongs to the day is in tables
beside the batch, which `mtmd.validate` fills:

    this_day           day DATE: one row
    previous_requests  request_id: the day before's
    copies             side, day: the earlier days whose table has the same content
    deviations         measure, side, domain, subject, observed, usual, lowest, highest, share, stops: what is outside
                       the interval that earlier days give it (`mtmd/validate/deviations.py`)

`side` is the name of the table. Great-expectations is not imported here: `mtmd/validate/suites.py` runs the suites.
"""

import runpy
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.expectations.candidates import candidates_expectations
from mtmd.expectations.common import Expect, Measure, Needs, Severity, SuiteTable
from mtmd.expectations.sides import ads_expectations, requests_expectations

__all__ = [
    "Expect",
    "Measure",
    "Needs",
    "Severity",
    "SuiteTable",
    "day_expectations",
]

_TOLD = TypeAdapter(dict[SuiteTable, list[Expect]])


def day_expectations(preset: Preset) -> dict[str, list[Expect]]:
    """All that a day is held to, by table, as data: it is part of the name of a day's results.

    The packaged expectations of each table come first, then the team's own.
    """
    packaged = {
        SuiteTable.REQUESTS: requests_expectations(preset),
        SuiteTable.ADS: ads_expectations(preset),
        SuiteTable.CANDIDATES: candidates_expectations(preset),
    }
    own = _own_expectations(preset)
    return {table.value: _with_own(suite, own.get(table, []), preset) for table, suite in packaged.items()}


def _own_expectations(preset: Preset) -> dict[SuiteTable, list[Expect]]:
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


def _with_own(packaged: list[Expect], own: list[Expect], preset: Preset) -> list[Expect]:
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
