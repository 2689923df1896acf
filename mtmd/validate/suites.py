"""Runs suites of `expectations/` with great-expectations on DuckDB.

One plain query for each table shows which expectations find rows. Great-expectations then runs those one by one. It
runs all expectations of a table that is empty or whose query failed. If nothing was found in any table, it is asked
once to confirm that.

Great-expectations keeps its current project in a global, so it runs under a lock.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import duckdb

from mtmd.config import Preset
from mtmd.expectations import Needs, SuiteTable, day_expectations, window_expectations
from mtmd.expectations.candidates import on_what_was_found
from mtmd.expectations.common import HAS_ROWS, build_suite, found_sql
from mtmd.validate.gx_duckdb import Database, autocommit, load
from mtmd.validate.results import ExpectationResult, Status

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

_SAMPLES = 5
_FOUND = "expectations_found"  # the expectations of a day that found rows, and how many
_GREAT_EXPECTATIONS = Lock()
NO_EARLIER_DAY = "not enough trailing days: no earlier day was given to compare with"
_SKIPPED = {
    Needs.TRAILING: NO_EARLIER_DAY,
    Needs.PREVIOUS_DAY: "the logs have no requests of the day before, or the preset leaves it out",
    Needs.POSITION: "the logs have no column position, which nothing else reads",
}


def day_suites(preset: Preset) -> dict[str, "ExpectationSuite"]:
    """The suites of a day, by table."""
    asked = day_expectations(preset)
    asked["candidates"] = list(map(on_what_was_found, asked["candidates"]))
    with _GREAT_EXPECTATIONS:
        load()
        return {table: build_suite(SuiteTable(table), expectations) for table, expectations in asked.items()}


def window_suites(preset: Preset) -> dict[str, "ExpectationSuite"]:
    """The suite of a window, by its table."""
    with _GREAT_EXPECTATIONS:
        load()
        return {"trailing_domains": build_suite(SuiteTable.WINDOW, window_expectations(preset))}


def run_suites(
    opened: Database, suites: Mapping[str, "ExpectationSuite"], present: Mapping[Needs, bool]
) -> tuple[ExpectationResult, ...]:
    """Run each suite on the table it is keyed by, in the order of its expectations.

    Expectations that need what is not `present` are skipped, and say so.
    """
    opened.rows(f"create or replace table {_FOUND} (expectation varchar, found bigint)")
    asked = {table: _to_ask(opened, table, suite, present) for table, suite in suites.items()}
    with _GREAT_EXPECTATIONS, _data_source(opened) as source:
        if not any(asked.values()) and not _nothing_found(source):
            asked = {table: _ran(suite, present) for table, suite in suites.items()}
        results: list[ExpectationResult] = []
        for table, suite in suites.items():
            names = {expectation.meta["name"] for expectation in asked[table]}
            outcomes = _outcomes(_batch(source, table), asked[table]) if names else {}
            rows = 0 if HAS_ROWS in names else opened.rows(f"select count(*) as n from {table}")[0]["n"]
            results += _results(suite, outcomes, rows, names, present)
        return tuple(results)


def _ran(suite: "ExpectationSuite", present: Mapping[Needs, bool]) -> list[Any]:
    """The expectations of a suite that can be run."""
    return [e for e in suite.expectations if present[Needs(e.meta["needs"])]]


def _to_ask(
    opened: Database, table: str, suite: "ExpectationSuite", present: Mapping[Needs, bool]
) -> list[Any]:
    """The expectations that find rows of a table; all where the query fails or the table is empty."""
    asked = _ran(suite, present)
    _, *others = asked
    try:
        found = opened.rows(found_sql(others, f"(select * from {table})")) if others else []
    except duckdb.Error:
        return asked
    for row in found:
        opened.rows(f"insert into {_FOUND} values ($expectation, $found)", row)
    if not opened.rows(f"select 1 from {table} limit 1"):
        return asked
    names = {row["expectation"] for row in found}
    return [expectation for expectation in asked if expectation.meta["name"] in names]


def _nothing_found(source: Any) -> bool:
    """Whether great-expectations, too, sees that no expectation has found a row."""
    expectations = load().expectations
    nothing = expectations.UnexpectedRowsExpectation(
        unexpected_rows_query="select * from {batch}", meta={"name": _FOUND}
    )
    return bool(_outcomes(_batch(source, _FOUND), [nothing])[_FOUND].success)


def _batch(source: Any, table: str) -> Any:
    asset = source.add_query_asset(table, query=f"select * from {table}")
    return asset.get_batch(asset.build_batch_request())


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


def _results(
    suite: "ExpectationSuite",
    outcomes: Mapping[str, Any],
    rows: int,
    asked: Collection[str],
    present: Mapping[Needs, bool],
) -> Iterator[ExpectationResult]:
    """The results of a table of so many rows, in which the expectations that were not asked found nothing."""
    for number, expectation in enumerate(suite.expectations):
        name, ran = expectation.meta["name"], present[Needs(expectation.meta["needs"])]
        if ran and name not in asked:
            counts = {"observed": 0, "unexpected": 0} if number else {"observed": rows}
            yield ExpectationResult(**_named(suite.name, expectation), status=Status.PASSED, **counts)
        else:
            yield _result(suite.name, expectation, outcomes.get(name), ran)


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
