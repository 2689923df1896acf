"""One day's rows against the expectations of validation, without great-expectations; its features; what a run reads.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from math import ceil, log, log10
from pathlib import Path
from typing import Any

import duckdb

from mtmd.config import Preset
from mtmd.expectations import Expect, Needs, Severity, day_expectations
from mtmd.expectations.common import listed
from mtmd.extract.database import Database
from mtmd.features import Feature
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.reading import Columns, create_source_view
from mtmd.logs.source import LogSource
from mtmd.project.findings import Finding, Level, Part, counted, error, fact, warning
from mtmd.validate.staging import stage_day

_COUNTS = "select surface, product, count(*) as n from candidates group by all order by all"
_EXACT_ROWS = 1_000_000
MOST_COLLIDING = 0.1  # share of a feature's values that meet another one in their bucket


def stage(
    database: Database,
    source: LogSource,
    files: Mapping[str, Mapping[Path, Columns]],
    day: date,
    preset: Preset,
) -> None:
    """Make the day's tables of `files`, whose columns are as declared; raises as `stage_day` does."""
    declared = table_columns(preset.declarations)
    for table, found in files.items():
        create_source_view(database.connection, f"source_{table}", source, table, day, declared[table], found)
    paths = {table: list(found) for table, found in files.items()}
    stage_day(database, source, paths, day, preset.declarations)


def check_rows(database: Database, preset: Preset) -> Iterator[Finding]:
    """Numbers of rows, by domain too; then each expectation."""
    for table in TABLES:
        (row,) = database.rows(f"select count(*) as n from {table}")
        if not row["n"]:
            yield error(Part.ROWS, table, "0 rows; at least 1 is required", "deliver the day again")
        elif table != "candidates":
            yield fact(Part.ROWS, table, counted(row["n"], "row"))
    for row in database.rows(_COUNTS):
        yield fact(Part.ROWS, f"candidates, {row['surface']} × {row['product']}", counted(row["n"], "row"))
    for table, expectations in day_expectations(preset).items():
        for expect in expectations:
            if expect.needs is Needs.NOTHING:
                yield from _ask(database, table, expect)


def _ask(database: Database, table: str, expect: Expect) -> Iterator[Finding]:
    query = expect.query.replace("{batch}", table)
    place = f"{table}.{expect.column}" if expect.column and "," not in expect.column else table
    try:
        found = database.rows(f'select *, count(*) over () as "row.count" from ({query}\n) limit 1')
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as wrong:
        text = f"{expect.name} can't be run: {str(wrong).splitlines()[0]}"
        yield error(Part.ROWS, place, text, "correct the expectation")
        return
    for row in found:
        count = row.pop("row.count")
        sample = ", ".join(f"{column} {'null' if value is None else value}" for column, value in row.items())
        yield Finding(
            part=Part.ROWS,
            place=place,
            level=Level.ERROR if expect.severity is Severity.CRITICAL else Level.WARNING,
            text=f"{expect.name} fails: {counted(count, 'row')}, such as {sample}. {expect.description}",
            remedy=f"correct the logs, source_{table}.sql, or what the preset declares",
        )


def check_cost(database: Database, source: LogSource, days: Sequence[date]) -> Iterator[Finding]:
    """Facts about the window and the held-out day, `days`, as if all were as large as the staged one."""
    (counts,) = database.rows(
        "select (select count(*) from requests) as requests, (select count(*) from ads) as ads, "
        "(select count(*) from candidates) as candidates"
    )
    listed = ", ".join(f"{n * len(days):,} {table}" for table, n in counts.items())
    files = window_files(source, days)  # those of remote tables are not known before they are fetched
    size = sum(path.stat().st_size for path in files) / 2**20
    yield fact(Part.COST, "rows", f"{len(days)} days: about {listed}")
    yield fact(Part.COST, "files", f"{len(files):,} files, {size:,.1f} MiB")


def check_features(database: Database, preset: Preset) -> Iterator[Finding]:
    """A fact for each feature, or a hint where it says nothing or its buckets are too few."""
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        (size,) = database.rows(f"select count(*) as n from {table}")
        count = "approx_count_distinct({})" if size["n"] > _EXACT_ROWS else "count(distinct {})"
        columns = [
            column
            for n, feature in enumerate(schema.fields)
            for column in _columns(table, domain, count, n, feature)
        ]
        (row,) = database.rows(f"select {', '.join(columns)} from {table}")
        for n, feature in enumerate(schema.fields):
            yield _finding(f"{table}.{feature.name}", feature, row[f"r{n}"], row[f"m{n}"], row[f"d{n}"])


def colliding_share(values: int, buckets: int) -> float:
    """Expected share of distinct values that share a bucket with another: 1 − (1 − 1/buckets)^(values − 1)."""
    return 1 - (1 - 1 / buckets) ** max(values - 1, 0)


def enough_buckets(values: int) -> int:
    """The least number of buckets, of two digits, at which at most `MOST_COLLIDING` of the values collide."""
    least = (values - 1) / -log(1 - MOST_COLLIDING)
    unit = int(10 ** max(int(log10(max(least, 1))) - 1, 0))
    buckets = ceil(least / unit) * unit
    return buckets if colliding_share(values, buckets) <= MOST_COLLIDING else buckets + unit


def _columns(table: str, domain: str, count: str, n: int, feature: Feature) -> Iterator[str]:
    """Rows of the domains that have the feature; how many of them lack a value; how many values differ.

    Distinct vectors are not counted; of a list its elements are.
    """
    within = "true" if feature.domains is None else f"{domain} in ({listed(feature.domains)})"
    yield f"count(*) filter ({within}) as r{n}"
    yield f"count(*) filter ({within} and {feature.missing_sql()}) as m{n}"
    if feature.matrix == "embedding":
        yield f"0 as d{n}"
    elif feature.matrix == "lists":
        values = feature.single_values(table, domain)
        yield f"(select approx_count_distinct({feature.quoted}) from {values}) as d{n}"
    else:
        yield f"{count.format(feature.quoted)} filter ({within} and not {feature.missing_sql()}) as d{n}"


def _finding(place: str, feature: Feature, rows: int, missing: int, distinct: Any) -> Finding:
    words = (
        f"{missing / rows if rows else 0.0:.1%} {'null or empty' if feature.matrix == 'lists' else 'null'}"
    )
    if feature.matrix != "embedding":
        words += f", {counted(distinct, 'distinct value')}"
    if rows and missing == rows:
        return warning(Part.FEATURES, place, words, "deliver it, or take it out of the preset")
    if feature.kind == "continuous" and distinct == 1:
        return warning(Part.FEATURES, place, words, "it says nothing: deliver it, or take it out")
    if feature.buckets is not None and distinct:
        colliding = colliding_share(distinct, feature.buckets)
        words += f" in {feature.buckets:,} buckets: {colliding:.1%} collide"
        if colliding > MOST_COLLIDING:
            remedy = f"set buckets = {enough_buckets(distinct)} or more: other days have further values"
            return warning(Part.FEATURES, place, words, remedy)
    return fact(Part.FEATURES, place, words)


def window_files(source: LogSource, days: Iterable[date]) -> list[Path]:
    """All files of the days that have any; those of remote tables and buckets are not fetched for it."""
    tables = [table for table in TABLES if not source.is_remote(table)]
    there = [(table, day) for day in days for table in tables if source.has_day(table, day)]
    return [path for table, day in there for path in source.day_files(table, day)]
