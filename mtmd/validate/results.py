"""What validation returns: plain, typed, and the same after a round trip through JSON."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from pydantic import Field

from mtmd.config import Frozen
from mtmd.expectations import Measure, Severity

_TOLD = ("copies", "observed", "usual", "lowest", "highest")


class ExpectationResult(Frozen):
    """One expectation, and how it ended."""

    table: str = Field(description="requests, ads, candidates or window")
    name: str
    description: str = Field(description="what goes wrong downstream when it fails")
    severity: Severity = Field(Severity.CRITICAL, description="critical stops the run, warning is only shown")
    unexpected: int | None = Field(description="rows that should not be there; None where it raised")
    samples: tuple[dict[str, str], ...] = Field((), description="keys and values of the first of them")
    message: str | None = Field(None, description="the exception when it raised")

    @property
    def success(self) -> bool:
        return self.unexpected == 0

    @property
    def stops(self) -> bool:
        """Whether the run may not go on: a critical failure, or any expectation that raised."""
        return not self.success and (self.unexpected is None or self.severity is Severity.CRITICAL)

    @property
    def found(self) -> str:
        """How many rows should not be there, or why the expectation raised."""
        return self.message or f"{self.unexpected:,} unexpected"

    @property
    def sample_columns(self) -> list[str]:
        """Columns of the samples: which row it is before what is told of it."""
        keys = dict.fromkeys(key for row in self.samples for key in row)
        return sorted(keys, key=lambda key: _TOLD.index(key) if key in _TOLD else -1)

    @property
    def told(self) -> str:
        """What failed, in one line, with its first row."""
        words, first = f"{self.table}.{self.name}, ", self.samples[0] if self.samples else {}
        if "observed" not in first:
            told = ", ".join(f"{key} {first[key]}" for key in self.sample_columns if key in first)
            return f"{words}{self.found}{f': {told}' if told else ''}"
        others = (self.unexpected or 1) - 1
        more = f", and {others} more" if others else ""
        where = "" if first["domain"] == "all" else f"{first['domain']}, "
        return f"{words}{where}{first['subject']}: {first['observed']}, usually {first['usual']}{more}"


class Key(NamedTuple):
    """Which number of a day it is; `side` is the table, `subject` a task, a feature, a label or a count."""

    measure: Measure
    side: str
    domain: str
    subject: str


class Number(NamedTuple):
    """A number of one day; `share` is that of its domain in the day's candidates."""

    key: Key
    value: float
    share: float


class Cells(NamedTuple):
    """How many rows of a day have a value in each cell that the values of a category are hashed to; nulls aside."""

    key: Key
    rows: dict[int, int]
    share: float


class DayProfile(Frozen):
    """What later days are compared with."""

    day: date
    candidates: dict[str, int] = Field(description="of every declared domain, in index order")
    numbers: tuple[Number, ...] = ()
    cells: tuple[Cells, ...] = ()


class Validation(Frozen):
    """What suites said of a day or of a window."""

    title: str
    results: tuple[ExpectationResult, ...]

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The results that stop the run."""
        return tuple(result for result in self.results if result.stops)

    @property
    def warnings(self) -> tuple[ExpectationResult, ...]:
        """The results that failed and are only shown."""
        return tuple(result for result in self.results if not (result.success or result.stops))


def cause(validations: Sequence[Validation]) -> str:
    """The first expectation that stops the run, with its first row; and how many more there are, if any."""
    (title, result), *others = [(one.title, result) for one in validations for result in one.failures]
    more = f"; {len(others)} more expectation{'s' * (len(others) > 1)} failed" if others else ""
    return f"{title}: {result.told}{more}"


class DayValidation(Validation):
    """The three suites on one day."""

    day: date
    profile: DayProfile
    compared: int = Field(description="earlier days that it was compared with")

    @property
    def is_compared_only(self) -> bool:
        """Whether the day by itself is right: `mtmd check`, which sees one day, would find nothing."""
        return all(result.name.endswith("_steady") for result in self.failures)
