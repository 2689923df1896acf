"""What validation returns: plain, typed, and the same after a round trip through JSON."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from mtmd.config import Frozen


class Status(StrEnum):
    """How an expectation ended. Only PASSED is a pass."""

    PASSED = "passed"
    FAILED = "failed"
    RAISED = "raised"


class ExpectationResult(Frozen):
    """One expectation, and how it ended."""

    table: str = Field(description="requests, ads, candidates or window")
    name: str
    description: str = Field(description="what goes wrong downstream when it fails")
    column: str | None = Field(None, description="column or columns it is about, comma-separated")
    severity: str = Field("critical", description="critical stops the run, warning is only shown")
    status: Status
    observed: int | float | str | None = Field(None, description="what was measured, usually a count of rows")
    unexpected: int | None = Field(None, description="rows or keys that should not be there")
    samples: tuple[dict[str, str], ...] = Field((), description="keys and values of the first of them")
    message: str | None = Field(None, description="the exception when it raised")

    @property
    def success(self) -> bool:
        return self.status is Status.PASSED

    @property
    def stops(self) -> bool:
        """Whether the run may not go on: a critical failure, or any expectation that raised."""
        return self.status is Status.RAISED or (self.status is Status.FAILED and self.severity == "critical")


class DomainProfile(Frozen):
    """One domain's candidates on one day."""

    surface: str
    product: str
    candidates: int
    requests: int = Field(0, description="requests that have a candidate in the domain")
    share: float = Field(description="of the day's candidates in all declared domains")
    mean_scores: dict[str, float | None] = Field(
        description="mean finite teacher score per task; None without"
    )


class SideProfile(Frozen):
    """One surface's requests, or one product's ads, without their values."""

    table: str
    domain: str
    rows: int
    null_rates: dict[str, float] = Field(description="of each feature")
    cells: dict[str, dict[int, int]] = Field(
        {},
        description="of each categorical feature: rows by the cell that the value is hashed to; nulls aside",
    )


class LabelProfile(Frozen):
    """How often one action followed, over the whole day."""

    shown: int = Field(description="shown candidates of which the label is known")
    actions: int


class DayProfile(Frozen):
    """What later days are compared with."""

    day: date
    domains: tuple[DomainProfile, ...] = Field(description="every declared domain, in index order")
    sides: tuple[SideProfile, ...]
    labels: dict[str, LabelProfile] = Field({}, description="of each label that a task has")
    digests: dict[str, str] = Field(description="digest of each table's content")

    @property
    def candidates(self) -> int:
        """Candidates of the day in all declared domains."""
        return sum(domain.candidates for domain in self.domains)

    def rows(self, table: str) -> int:
        """Requests of the day on all declared surfaces, or ads of all declared products."""
        return sum(side.rows for side in self.sides if side.table == table)


class Validation(Frozen):
    """What suites said of a day or of a window."""

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
        return tuple(r for r in self.results if r.status is Status.FAILED and not r.stops)


class DayValidation(Validation):
    """The three suites on one day; what compares the day with earlier ones is missing where there were none."""

    day: date
    profile: DayProfile
    compared: int = Field(0, description="earlier days that it was compared with")

    @property
    def title(self) -> str:
        return self.day.isoformat()


class WindowValidation(Validation):
    """The days of a window together."""

    first: date
    last: date

    @property
    def title(self) -> str:
        return f"window {self.first} … {self.last}"
