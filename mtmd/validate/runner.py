"""Runs the suites of `mtmd_expectations/` with great-expectations on DuckDB.

Days may be validated from several threads at once: each has its own database; great-expectations itself,
which keeps its current project in a global, runs under a lock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from mtmd.config import Preset
from mtmd.errors import LogsError, ValidationError
from mtmd.logs.contract import TABLES, optional_columns, table_columns
from mtmd.logs.digests import file_names
from mtmd.logs.passing import OnePass
from mtmd.logs.reading import create_source_view
from mtmd.logs.source import LogSource
from mtmd.validate.deviations import deviations
from mtmd.validate.gx_duckdb import Database, autocommit, database, load
from mtmd.validate.passing import stage_passing
from mtmd.validate.profiles import profile_staged_day
from mtmd.validate.results import (
    DayProfile,
    DayValidation,
    ExpectationResult,
    Status,
    WindowValidation,
    compare_schema,
)
from mtmd.validate.staging import (
    columns_of,
    stage_day,
    stage_deviations,
    stage_found,
    stage_previous_requests,
    stage_trailing,
)
from mtmd_expectations import Needs, ads_suite, candidates_suite, requests_suite, window_suite
from mtmd_expectations.common import together

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

VALIDATION_FORMAT = 3  # raise it whenever the same suites on the same files would give other results
_SAMPLES = 5
_GREAT_EXPECTATIONS = Lock()
_SKIPPED = {
    Needs.TRAILING: "not enough trailing days: no earlier day was given to compare with",
    Needs.PREVIOUS_DAY: "the logs have no requests of the day before, or the preset leaves it out",
    Needs.POSITION: "the logs have no column position, which nothing else reads",
}


def validate_day(
    source: LogSource,
    day: date,
    preset: Preset,
    trailing: Sequence[DayProfile] = (),
    one_pass: OnePass | None = None,
) -> DayValidation:
    """Validate one day of logs with the three suites, on rows that `one_pass` reads anyway, if it is given.

    `trailing` are profiles of earlier days in any order; the newest `preset.data.trailing_days` of those
    before `day` that have `preset.data.min_trailing_rows` candidates count. A schema that is not as declared
    is a failed result, and the suites are then not run.
    Raises LogsError when a table is missing, empty or unreadable, naming the table, the day and the file.
    """
    declared, optional = table_columns(preset.declarations), optional_columns(preset.domains)
    files = source.source_files(day)
    with database() as opened:
        columns = {
            table: {file: columns_of(opened, source, table, file, day) for file in files[table]}
            for table in TABLES
        }
        schemas = tuple(
            compare_schema(
                table,
                declared[table],
                dict(zip(file_names(columns[table]), columns[table].values(), strict=True)),
                optional,
            )
            for table in TABLES
        )
        if not all(result.success for result in schemas):
            return DayValidation(day=day, results=schemas + tuple(_not_run(schemas)))
        for table in TABLES:
            create_source_view(
                opened.connection, f"source_{table}", source, table, day, declared[table], columns[table]
            )
        limits = preset.data
        comparable = [p for p in trailing if p.day < day and p.candidates >= limits.min_trailing_rows]
        earlier = sorted(comparable, key=lambda p: p.day)[-limits.trailing_days :]
        previous_day = day - timedelta(days=1)
        previous = [] if previous_day in preset.left_out else _requests_if_there(source, previous_day)
        present = {
            Needs.NOTHING: True,
            Needs.TRAILING: bool(earlier),
            Needs.PREVIOUS_DAY: bool(previous),
            Needs.POSITION: all("position" in found for found in columns["candidates"].values()),
        }
        passed = one_pass is not None and stage_passing(opened, day, preset, present, one_pass)
        stage_day(opened, source, files, day, preset, present, passed=passed)
        stage_trailing(opened, earlier)
        profile = profile_staged_day(opened, day, preset.declarations)
        stage_deviations(opened, deviations(profile, earlier, preset.declarations, limits))
        stage_previous_requests(opened, source, previous, previous_day, preset.ids.request)
        stage_found(opened, source, files["candidates"], day, preset, present, passed=passed)
        results = run_suites(opened, _day_suites(preset), present)
    return DayValidation(day=day, results=schemas + results, profile=profile)


def _requests_if_there(source: LogSource, day: date) -> list[Path]:
    return source.day_files("requests", day) if source.has_day("requests", day) else []


def validate_window(profiles: Sequence[DayProfile], preset: Preset) -> WindowValidation:
    """Validate the days of a window, together, with the window's suite.

    Raises LogsError when there is no day at all.
    """
    if not profiles:
        raise LogsError(
            "the window has no days (0); at least 1 day's profile is required: validate its days first"
        )
    days = sorted(profile.day for profile in profiles)
    with database() as opened:
        stage_trailing(opened, profiles)
        with _GREAT_EXPECTATIONS:
            load()
            suite = window_suite(preset)
        results = run_suites(opened, {"trailing_domains": suite}, dict.fromkeys(Needs, True))
    return WindowValidation(first=days[0], last=days[-1], results=results)


def require(validation: DayValidation | WindowValidation) -> None:
    """Raise ValidationError with the failing expectations, their counts and sample keys, if there are any."""
    if validation.passed:
        return
    lines = [
        f"{validation.title}: {len(validation.failures)} expectations failed; fix the logs, then run again"
    ]
    for result in validation.failures:
        what = result.message if result.status is Status.RAISED else f"{result.unexpected} unexpected"
        lines.append(f"- {result.table}.{result.name}: {what}. {result.description}")
        lines += [
            "    " + ", ".join(f"{key}={value}" for key, value in row.items()) for row in result.samples
        ]
    raise ValidationError("\n".join(lines))


def _day_suites(preset: Preset) -> dict[str, "ExpectationSuite"]:
    with _GREAT_EXPECTATIONS:
        load()
        return {
            "requests": requests_suite(preset),
            "ads": ads_suite(preset),
            "candidates": candidates_suite(preset),
        }


def run_suites(
    opened: Database, suites: Mapping[str, "ExpectationSuite"], present: Mapping[Needs, bool]
) -> tuple[ExpectationResult, ...]:
    """Run each suite on the table it is keyed by, in the order of its expectations.

    Expectations that need what is not `present` are skipped, and say so.
    """
    with _GREAT_EXPECTATIONS, _data_source(opened) as source:
        return tuple(
            result
            for table, suite in suites.items()
            for result in _run_suite(
                source.add_query_asset(table, query=f"select * from {table}"), suite, present
            )
        )


@contextmanager
def _data_source(opened: Database) -> Iterator[Any]:
    """A great-expectations data source on the database, in a project of its own; closed at the end."""
    gx = load()
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_sql("logs", connection_string=opened.url)
    autocommit(source.get_execution_engine().engine)
    try:
        yield source
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _run_suite(
    asset: Any, suite: "ExpectationSuite", present: Mapping[Needs, bool]
) -> Iterator[ExpectationResult]:
    """Ask all expectations at once, and one by one only where some rows were found or a query failed."""
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    has_rows, *others = [e for e in suite.expectations if present[Needs(e.meta["needs"])]]
    outcomes = _outcomes(batch, [has_rows, together(others)] if others else [has_rows])
    sound = all(outcome.success for outcome in outcomes.values())
    if not sound:
        outcomes = _outcomes(batch, [has_rows, *others])
    for expectation in suite.expectations:
        ran = present[Needs(expectation.meta["needs"])]
        if sound and ran and expectation is not has_rows:
            yield ExpectationResult(
                **_named(suite.name, expectation), status=Status.PASSED, observed=0, unexpected=0
            )
        else:
            yield _result(suite.name, expectation, outcomes.get(expectation.meta["name"]), ran)


def _outcomes(batch: Any, expectations: Sequence[Any]) -> dict[str, Any]:
    """Great-expectations' outcomes by the expectation's name."""
    suite = load().ExpectationSuite(name="asked", expectations=list(expectations))
    outcome = batch.validate(suite, result_format="COMPLETE")
    return {result.expectation_config.meta["name"]: result for result in outcome.results}


def _named(table: str, expectation: Any) -> dict[str, Any]:
    return {
        "table": table,
        "name": expectation.meta["name"],
        "description": expectation.description,
        "column": expectation.meta["column"],
        "severity": str(getattr(expectation.severity, "value", expectation.severity)),
    }


def _result(table: str, expectation: Any, outcome: Any, ran: bool) -> ExpectationResult:
    common = _named(table, expectation)
    if not ran:
        reason = _SKIPPED[Needs(expectation.meta["needs"])]
        return ExpectationResult(**common, status=Status.SKIPPED, message=reason)
    if outcome is None:
        return ExpectationResult(**common, status=Status.RAISED, message="great-expectations gave no result")
    if (raised := _exception(outcome.exception_info)) is not None:
        return ExpectationResult(**common, status=Status.RAISED, message=raised)
    observed = outcome.result.get("observed_value")
    rows = outcome.result.get("details", {}).get("unexpected_rows", [])
    return ExpectationResult(
        **common,
        status=Status.PASSED if outcome.success else Status.FAILED,
        observed=observed,
        unexpected=None if "details" not in outcome.result else observed,
        samples=tuple({key: str(value) for key, value in row.items()} for row in rows[:_SAMPLES]),
    )


def _exception(info: Any) -> str | None:
    """First line of the exception, if any; great-expectations nests them by metric when a metric raised."""
    if not isinstance(info, Mapping):
        return None
    if info.get("raised_exception"):
        return str(info.get("exception_message") or "unknown exception").splitlines()[0]
    return next((found for nested in info.values() if (found := _exception(nested)) is not None), None)


def _not_run(schemas: Iterable[ExpectationResult]) -> Iterator[ExpectationResult]:
    wrong = ", ".join(result.table for result in schemas if not result.success)
    for table in TABLES:
        yield ExpectationResult(
            table=table,
            name="suite",
            description="Content is checked only when the columns are as declared.",
            status=Status.SKIPPED,
            message=f"not run: the columns of {wrong} are not as declared",
        )
