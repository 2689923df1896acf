"""What validation returns: plain, typed, and the same after a round trip through JSON."""

from datetime import date
from typing import NamedTuple

from pydantic import Field

from mtmd.config import Frozen
from mtmd.expectations import Measure, Severity


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


class DayValidation(Validation):
    """The three suites on one day."""

    day: date
    profile: DayProfile
    compared: int = Field(description="earlier days that it was compared with")
