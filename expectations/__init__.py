"""What a day of logs must hold: one great-expectations suite per table.

Suites are built from a preset alone, so they are the same for every day; what belongs to the day is in tables
beside the batch, which `mtmd.validate` fills:

    this_day      day DATE: one row
    deviations    measure, side, domain, subject, observed, usual, lowest, highest: numbers of the day that are far from
                  those of earlier days (`mtmd/validate/deviations.py`)

`side` is the name of the table. Great-expectations is not imported here: `mtmd/validate/suites.py` runs the suites.
"""

import runpy
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.expectations.candidates import candidates_expectations
from mtmd.expectations.common import Expect, Measure, Severity
from mtmd.expectations.sides import ads_expectations, requests_expectations

__all__ = ["Expect", "Measure", "Severity", "day_expectations"]

_PACKAGED = {
    "requests": requests_expectations,
    "ads": ads_expectations,
    "candidates": candidates_expectations,
}
_TOLD = TypeAdapter(dict[Annotated[str, Field(pattern=f"^({'|'.join(_PACKAGED)})$")], list[Expect]])


def day_expectations(preset: Preset) -> dict[str, list[Expect]]:
    """All that a day is held to, by table, as data: it is part of the name of a day's results.

    The packaged expectations of each table come first, then the team's own. Raises ConfigError for a file of the team's
    that is not as `_own_expectations` says, and for two expectations of one name: results are told apart by names.
    """
    own = {} if preset.expectations is None else _own_expectations(Path(preset.expectations), preset)
    suites = {table: [*packaged(preset), *own.get(table, [])] for table, packaged in _PACKAGED.items()}
    for suite in suites.values():
        names = [expect.name for expect in suite]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"expectations({preset.name}) in {preset.expectations} gave {repeated[0]!r}, a name that another "
                "expectation of the table has: one would hide what the other finds; rename it"
            )
    return suites


def _own_expectations(path: Path, preset: Preset) -> dict[str, list[Expect]]:
    """What `expectations(preset)` of the team's file gives, by table.

    Raises ConfigError for a file that is not there, can't be run, lacks the function, or gives anything else.
    """
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"{path}: the preset's `expectations` must be a Python file that exists")
    what = f"expectations({preset.name}) in {path}"
    try:
        told = runpy.run_path(str(path))["expectations"](preset)
    except Exception as error:
        raise ConfigError(
            f"{what} can't be run: {error!r}; the file must define the function expectations(preset)"
        ) from error
    try:
        suites = _TOLD.validate_python(told)
    except ValidationError as error:
        raise ConfigError(
            f"{what} gave {told!r}; it must give lists of Expect by table: {list(_PACKAGED)}"
        ) from error
    # They look at all rows: a condition that misses some would hide them.
    return {table: [one.model_copy(update={"where": None}) for one in own] for table, own in suites.items()}
