"""Runs suites of `expectations/` with great-expectations on DuckDB.

Great-expectations keeps its current project in a global, so it runs under a lock. Its release 1.24.1 has no DuckDB
dialect: it fetches a result after closing the connection it came from, except for dialects in a private tuple, and with
DuckDB that fails ("list index out of range"). `load` adds DuckDB to that tuple, which is why pyproject.toml pins the
release exactly.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Any

from mtmd.expectations import Expect
from mtmd.extract.database import Database
from mtmd.logs.sql import bare_sql
from mtmd.validate.results import ExpectationResult

_SAMPLES = 5
_GREAT_EXPECTATIONS = Lock()


_NOTHING = SimpleNamespace(
    exception_info=None, result={"observed_value": 0}
)  # the outcome where no row is found


class _Dialect(StrEnum):
    DUCKDB = "duckdb"


def load() -> ModuleType:
    """Import great-expectations (2–5 s the first time), teach it DuckDB, and return it."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # nothing calls out to a network
    import great_expectations  # noqa: PLC0415
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine  # noqa: PLC0415

    if _Dialect.DUCKDB not in engine._PERSISTED_CONNECTION_DIALECTS:
        engine._PERSISTED_CONNECTION_DIALECTS = (*engine._PERSISTED_CONNECTION_DIALECTS, _Dialect.DUCKDB)
    module: ModuleType = great_expectations
    return module


def run_suites(opened: Database, suites: Mapping[str, Sequence[Expect]]) -> tuple[ExpectationResult, ...]:
    """Run each suite on the table it is keyed by, the expectations in their order."""
    with _GREAT_EXPECTATIONS, _data_source(opened) as source:
        return tuple(
            result for table, suite in suites.items() for result in _results(opened, source, table, suite)
        )


def _results(
    opened: Database, source: Any, table: str, suite: Sequence[Expect]
) -> Iterator[ExpectationResult]:
    """Ask those expectations that have rows to look at; the others find none, because there is none to find."""
    suspects = _stage_suspects(opened, table, suite)
    asked = [expect for expect in suite if suspects or not expect.where]
    outcomes = _outcomes(source, table, asked)
    for expect in suite:
        yield _result(table, expect, outcomes.get(expect.name) if expect in asked else _NOTHING)


def _stage_suspects(opened: Database, table: str, suite: Sequence[Expect]) -> int:
    """Make `<table>_suspects` in one pass: the rows of which any condition of the suite is true; returns how many.

    Great-expectations would read the whole table twice for each query, for a count and for rows.
    """
    conditions = " or ".join(f"({expect.where})" for expect in suite if expect.where) or "false"
    conditions = conditions.replace("{batch}", table)
    opened.rows(f"create table {table}_suspects as from {table} where {conditions}")
    (row,) = opened.rows(f"select count(*) as suspects from {table}_suspects")
    return int(row["suspects"])


def _outcomes(source: Any, table: str, suite: Sequence[Expect]) -> dict[str, Any]:
    """Great-expectations' outcome of each expectation, by name, where there is one."""
    gx, asked = load(), []
    for expect in suite:
        query = expect.query.replace("{batch}", f"{table}_suspects") if expect.where else expect.query
        given = {"unexpected_rows_query": _protected(query), "meta": {"name": expect.name}}
        asked.append(gx.expectations.UnexpectedRowsExpectation(**given))
    asset = source.add_query_asset(table, query=f"select * from {table}")
    batch = asset.get_batch(asset.build_batch_request())
    # Given as a list: adding them one by one asks great-expectations' project each time.
    suite_of_table = gx.ExpectationSuite(name=table, expectations=asked)
    results = batch.validate(suite_of_table, result_format="COMPLETE").results
    return {result.expectation_config.meta["name"]: result for result in results}


@contextmanager
def _data_source(opened: Database) -> Iterator[Any]:
    """A great-expectations data source on the database, in a project of its own; closed at the end."""
    gx = load()
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_sql("logs", connection_string=opened.url)
    _autocommit(source.get_execution_engine().engine)
    try:
        yield source
    finally:
        source.get_execution_engine().close()
        source.get_engine().dispose()


def _autocommit(engine: Any) -> None:
    """Let a SQLAlchemy engine on DuckDB open no transactions.

    Great-expectations keeps one connection open, hence one transaction; the first query that raised would
    abort it, and with it every expectation that follows. duckdb-engine has no isolation level for this.
    """
    engine.dialect.do_begin = lambda connection: None


def _protected(query: str) -> str:
    """A query with its braces, which great-expectations would fill in, and colons, which SQLAlchemy would bind.

    It has no comment, because great-expectations makes it a part of others. One that does not read the batch names it
    in a comment, or great-expectations warns.
    """
    query = bare_sql(query)
    if "{batch}" not in query:
        query += "/* {batch} */"
    parts = (
        part.replace("{", "{{").replace("}", "}}").replace(":", "\\:") for part in query.split("{batch}")
    )
    return "{batch}".join(parts)


def _result(table: str, expect: Expect, outcome: Any) -> ExpectationResult:
    raised = "great-expectations gave no result" if outcome is None else _exception(outcome.exception_info)
    rows = [] if raised else outcome.result.get("details", {}).get("unexpected_rows", [])
    return ExpectationResult(
        table=table,
        name=expect.name,
        description=expect.description,
        severity=expect.severity,
        unexpected=None if raised else outcome.result["observed_value"],
        samples=tuple({key: str(value) for key, value in row.items()} for row in rows[:_SAMPLES]),
        message=raised,
    )


def _exception(info: Any) -> str | None:
    """First line of the exception, if any; great-expectations nests them by metric when a metric raised."""
    if not isinstance(info, Mapping):
        return None
    if info.get("raised_exception"):
        return str(info.get("exception_message") or "unknown exception").splitlines()[0]
    return next((found for nested in info.values() if (found := _exception(nested)) is not None), None)
