"""Runs suites of `expectations/`: DuckDB finds the rows that should not be there, great-expectations says what failed.

Great-expectations 1.24 has no data source on DuckDB, so it gets a data frame: a column for each expectation, with the
number of its rows. A native one is proposed (github.com/fivetran/great_expectations/pull/12084); once that is
released, it can run the queries themselves. Great-expectations keeps its current project in a global, so it runs
under a lock.
"""

import os
from collections.abc import Mapping, Sequence
from threading import Lock
from types import ModuleType
from typing import Any, NamedTuple

import duckdb

from mtmd.expectations import Expect
from mtmd.extract.database import Database
from mtmd.logs.sql import bare_sql
from mtmd.validate.results import ExpectationResult

_SAMPLES = 5
_GREAT_EXPECTATIONS = Lock()


class _Found(NamedTuple):
    """The rows of an expectation's query: how many, and the first of them; or why it can't be run."""

    rows: int = 0
    samples: Sequence[Mapping[str, Any]] = ()
    raised: str | None = None


def load() -> ModuleType:
    """Import great-expectations, which takes 2–5 s the first time, and return it."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # nothing calls out to a network
    import great_expectations  # noqa: PLC0415

    module: ModuleType = great_expectations
    return module


def run_suites(opened: Database, suites: Mapping[str, Sequence[Expect]]) -> tuple[ExpectationResult, ...]:
    """Run each suite on the table it is keyed by, the expectations in their order."""
    found = {table: _rows_found(opened, table, suite) for table, suite in suites.items()}
    with _GREAT_EXPECTATIONS:
        counted = _outcomes(found)
    return tuple(
        _result(table, expect, found[table].get(expect.name), counted.get((table, expect.name)))
        for table, suite in suites.items()
        for expect in suite
    )


def _rows_found(opened: Database, table: str, suite: Sequence[Expect]) -> dict[str, _Found]:
    """What each query finds, by its expectation's name; without the queries that look at suspects, if there is none."""
    suspects = _stage_suspects(opened, table, suite)
    return {expect.name: _run(opened, table, expect) for expect in suite if suspects or not expect.where}


def _stage_suspects(opened: Database, table: str, suite: Sequence[Expect]) -> int:
    """Make `<table>_suspects` in one pass: the rows of which any condition of the suite is true; returns how many."""
    conditions = " or ".join(f"({expect.where})" for expect in suite if expect.where) or "false"
    conditions = conditions.replace("{batch}", table)
    opened.rows(f"create table {table}_suspects as from {table} where {conditions}")
    (row,) = opened.rows(f"select count(*) as suspects from {table}_suspects")
    return int(row["suspects"])


def _run(opened: Database, table: str, expect: Expect) -> _Found:
    batch = f"{table}_suspects" if expect.where else table
    query = bare_sql(expect.query).removesuffix(";").replace("{batch}", batch)
    try:
        (row,) = opened.rows(f"select count(*) as n from ({query})")
        return _Found(row["n"], opened.rows(f"from ({query}) limit {_SAMPLES}") if row["n"] else ())
    except duckdb.Error as error:
        return _Found(raised=str(error).splitlines()[0])


def _outcomes(found: Mapping[str, Mapping[str, _Found]]) -> dict[tuple[str, str], Any]:
    """Great-expectations' outcome of each query that ran, by table and name."""
    gx = load()
    import pandas  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("logs")
    outcomes = {}
    for table, of_table in found.items():
        counts = {name: one.rows for name, one in of_table.items() if one.raised is None}
        if not counts:
            continue
        whole = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("day")
        batch = whole.get_batch({"dataframe": pandas.DataFrame([counts])})
        # Given as a list: adding them one by one asks great-expectations' project each time.
        asked = [gx.expectations.ExpectColumnMaxToBeBetween(column=name, max_value=0) for name in counts]
        for one in batch.validate(gx.ExpectationSuite(name=table, expectations=asked)).results:
            outcomes[table, one.expectation_config.kwargs["column"]] = one
    return outcomes


def _result(table: str, expect: Expect, found: _Found | None, outcome: Any) -> ExpectationResult:
    """No row is suspect where nothing was asked. What raised, or has no outcome, has not passed."""
    observed = 0 if found is None else None if outcome is None else outcome.result.get("observed_value")
    raised, samples = (found.raised, found.samples) if found else (None, ())
    if observed is None and not raised:
        raised = "great-expectations gave no result"
    return ExpectationResult(
        table=table,
        name=expect.name,
        description=expect.description,
        severity=expect.severity,
        unexpected=None if observed is None else int(observed),
        samples=tuple({key: str(value) for key, value in row.items()} for row in samples),
        message=raised,
    )
