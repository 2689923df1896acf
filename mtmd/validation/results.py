"""What validation returns: plain, typed, and the same after a round trip through JSON."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from mtmd.config import Frozen


class Status(StrEnum):
    """How an expectation ended. Only PASSED is a pass: neither RAISED nor SKIPPED is."""

    PASSED = "passed"
    FAILED = "failed"
    RAISED = "raised"
    SKIPPED = "skipped"


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
    message: str | None = Field(
        None, description="the exception when it raised, the reason when it was skipped"
    )

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
    share: float = Field(description="of the day's candidates in all declared domains")
    mean_scores: dict[str, float | None] = Field(
        description="mean finite teacher score per task; None without"
    )


class NullProfile(Frozen):
    """Null rates of one side's features in one surface or product."""

    table: str
    domain: str
    rates: dict[str, float]


class DayProfile(Frozen):
    """What later days are compared with."""

    day: date
    domains: tuple[DomainProfile, ...] = Field(description="every declared domain, in index order")
    null_rates: tuple[NullProfile, ...]
    digests: dict[str, str] = Field(description="digest of each table's content")

    @property
    def candidates(self) -> int:
        """Candidates of the day in all declared domains."""
        return sum(domain.candidates for domain in self.domains)


class DayValidation(Frozen):
    """The three suites on one day."""

    day: date
    results: tuple[ExpectationResult, ...]
    profile: DayProfile | None = Field(None, description="None when the schema is not as declared")

    @property
    def title(self) -> str:
        return self.day.isoformat()

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The results that stop the run."""
        return tuple(result for result in self.results if result.stops)


class WindowValidation(Frozen):
    """The window's suite."""

    first: date
    last: date
    results: tuple[ExpectationResult, ...]

    @property
    def title(self) -> str:
        return f"window {self.first} … {self.last}"

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The results that stop the run."""
        return tuple(result for result in self.results if result.stops)
