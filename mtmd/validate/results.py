"""What validation returns: plain, typed, and the same after a round trip through JSON.

`compare_schema` compares the schema before any suite runs: readers of Parquet coerce, widen and fill silently.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum

from pydantic import Field

from mtmd.config import Frozen
from mtmd.logs.columns import column_problems, widened_columns

_SCHEMA = "columns_as_declared"
SAMPLES = 20  # a wrong schema is read column by column, so more of it is shown than of rows


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
        None,
        description="the exception when it raised, the reason when it was skipped, the casts of columns that passed",
    )

    @property
    def success(self) -> bool:
        return self.status is Status.PASSED

    @property
    def stops(self) -> bool:
        """Whether the run may not go on: a critical failure, or any expectation that raised."""
        return stops(self.status, self.severity)


def stops(status: Status, severity: str) -> bool:
    """Whether a run may not go on after an expectation that ended so."""
    return status is Status.RAISED or (status is Status.FAILED and severity == "critical")


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


class NullProfile(Frozen):
    """Null rates of one side's features in one surface or product."""

    table: str
    domain: str
    rows: int = Field(0, description="requests or ads of the day in that surface or product")
    rates: dict[str, float]


class CategoryProfile(Frozen):
    """How one feature's values are distributed in one surface or product, without the values themselves."""

    table: str
    domain: str
    feature: str
    cells: dict[int, int] = Field(description="rows by the cell that the value is hashed to; nulls aside")


class LabelProfile(Frozen):
    """How often one action followed, over the whole day."""

    shown: int = Field(description="shown candidates of which the label is known")
    actions: int

    @property
    def rate(self) -> float:
        return self.actions / self.shown if self.shown else 0.0


class NumberProfile(Frozen):
    """The ends of one continuous feature's finite values over the whole day."""

    table: str
    feature: str
    lowest: float
    highest: float

    @property
    def size(self) -> float:
        """The largest absolute value."""
        return max(abs(self.lowest), abs(self.highest))


class DayProfile(Frozen):
    """What later days are compared with."""

    day: date
    domains: tuple[DomainProfile, ...] = Field(description="every declared domain, in index order")
    null_rates: tuple[NullProfile, ...]
    categories: tuple[CategoryProfile, ...] = Field((), description="of every categorical feature")
    digests: dict[str, str] = Field(description="digest of each table's content")
    labels: dict[str, LabelProfile] = Field({}, description="of each label that a task has")
    numbers: tuple[NumberProfile, ...] = Field((), description="of each continuous feature that has a value")

    @property
    def candidates(self) -> int:
        """Candidates of the day in all declared domains."""
        return sum(domain.candidates for domain in self.domains)

    @property
    def requests(self) -> int:
        """Requests of the day on all declared surfaces."""
        return sum(side.rows for side in self.null_rates if side.table == "requests")


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
    """The three suites on one day."""

    day: date
    profile: DayProfile | None = Field(None, description="None when the schema is not as declared")
    compared: int = Field(0, description="earlier days that it was compared with")

    @property
    def title(self) -> str:
        return self.day.isoformat()


class WindowValidation(Validation):
    """The window's suite."""

    first: date
    last: date

    @property
    def title(self) -> str:
        return f"window {self.first} … {self.last}"


def casts_told(validations: Iterable[Validation]) -> tuple[str, ...]:
    """Which columns of which tables were read with a cast, each set of them once: `ads read with a cast: …`."""
    results = (result for validation in validations for result in validation.results)
    told = (
        f"{one.table} {one.message}" for one in results if one.name == _SCHEMA and one.success and one.message
    )
    return tuple(dict.fromkeys(told))


def compare_schema(
    table: str,
    declared: Mapping[str, str],
    files: Mapping[str, Mapping[str, str]],
    optional: frozenset[str] = frozenset(),
) -> ExpectationResult:
    """Whether every file (by name) has the declared columns, in types that are read as the declared ones."""
    problems = [
        {"file": file, "column": column, "problem": problem}
        for file, columns in files.items()
        for column, problem in column_problems(declared, columns, optional=optional)
    ]
    widened = {
        column: types
        for columns in files.values()
        for column, types in widened_columns(declared, columns).items()
    }
    listed = ", ".join(f"{column} ({types})" for column, types in widened.items())
    return ExpectationResult(
        table=table,
        name=_SCHEMA,
        description="A missing column would be read as nulls and a retyped one cast, both without a word; an "
        "undeclared one is never read.",
        column=", ".join(dict.fromkeys(problem["column"] for problem in problems)) or None,
        status=Status.FAILED if problems else Status.PASSED,
        observed=len(problems),
        unexpected=len(problems),
        samples=tuple(problems[:SAMPLES]),
        message=f"read with a cast: {listed}" if listed and not problems else None,
    )
