"""One day's rows against the expectations of validation, without great-expectations; and its features.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb

from mtmd.config import Preset
from mtmd.expectations import Expect, Severity, day_expectations
from mtmd.expectations.common import listed
from mtmd.extract.database import Database
from mtmd.extract.sources import load_sources
from mtmd.extras.check.findings import Finding, Level, counted, fact, hint, problem
from mtmd.features import Feature, Hashed
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.validate.staging import stage_day

_SPREAD = 10  # buckets for each value of a category: about a tenth then meets another in its bucket


def check_rows(
    connection: Any, source: LogSource, files: SourceFiles, day: date, preset: Preset
) -> Iterator[Finding]:
    """Numbers of rows, then each expectation and each feature. The files' columns are as declared.

    Raises LogsError where a value can't be read, and DuckDB's errors.
    """
    database = Database(url="", connection=connection)
    load_sources(connection, source, files, day, preset.declarations)
    stage_day(database, source, files, day, preset.declarations)
    for table in TABLES:
        (row,) = database.rows(f"select count(*) as n from {table}")
        yield fact(table, f"{counted(row['n'], 'row')} on {day}")
    for table, expectations in day_expectations(preset).items():
        for expect in expectations:
            yield from _ask(database, table, expect)
    yield from _check_features(database, preset)


def _ask(database: Database, table: str, expect: Expect) -> Iterator[Finding]:
    query = expect.query.replace("{batch}", table)
    place = f"{table}.{expect.column}" if expect.column and "," not in expect.column else table
    try:
        found = database.rows(f'select *, count(*) over () as "row.count" from ({query}\n) limit 1')
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as wrong:
        text = f"{expect.name} can't be run: {str(wrong).splitlines()[0]}"
        yield problem(place, text, "correct the expectation")
        return
    for row in found:
        count = row.pop("row.count")
        sample = ", ".join(f"{column} {'null' if value is None else value}" for column, value in row.items())
        yield Finding(
            level=Level.PROBLEM if expect.severity is Severity.CRITICAL else Level.HINT,
            place=place,
            text=f"{expect.name} fails: {counted(count, 'row')}, such as {sample}. {expect.description}",
            remedy=f"correct the logs, source_{table}.sql, or what the preset declares",
        )


def _check_features(database: Database, preset: Preset) -> Iterator[Finding]:
    """A hint for each feature that says nothing, or has too few buckets."""
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        asked = ", ".join(_counts(table, domain, n, feature) for n, feature in enumerate(schema.fields))
        (row,) = database.rows(f"select {asked} from {table}")
        for n, feature in enumerate(schema.fields):
            yield from _hints(f"{table}.{feature.name}", feature, row[f"present{n}"], row[f"distinct{n}"])


def _counts(table: str, domain: str, n: int, feature: Feature) -> str:
    """SQL: rows that have a value, in the domains that have the feature; and about how many values differ.

    Of a list its elements are counted, and of vectors none.
    """
    within = "true" if feature.domains is None else f"{domain} in ({listed(feature.domains)})"
    there = f"filter ({within} and not {feature.missing_sql()})"
    distinct = f"approx_count_distinct({feature.quoted})"
    if feature.matrix == "embedding":
        distinct = "0"
    elif feature.matrix == "lists":
        distinct = f"(select {distinct} from {feature.single_values(table, domain)})"
    else:
        distinct = f"{distinct} {there}"
    return f"count(*) {there} as present{n}, {distinct} as distinct{n}"


def _hints(place: str, feature: Feature, present: int, distinct: int) -> Iterator[Finding]:
    if not present:
        yield hint(place, "no row has a value", "deliver it, or take it out of the preset")
    elif feature.kind == "continuous" and distinct == 1:
        yield hint(place, "all rows have one value", "it says nothing: deliver it, or take it out")
    elif isinstance(feature, Hashed) and feature.buckets < _SPREAD * distinct:
        text = f"about {distinct:,} values in {feature.buckets:,} buckets: many share one with another"
        yield hint(place, text, f"set buckets = {_SPREAD * distinct} or more: other days have further values")
