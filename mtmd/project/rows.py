"""The rows of one day against the expectations of validation, without great-expectations; and how much a run reads.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from mtmd.config import Preset
from mtmd.expectations import Expect, Needs, Severity, day_expectations
from mtmd.extract.database import Database
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.reading import Columns, create_source_view
from mtmd.logs.source import LogSource
from mtmd.project.days import window_files
from mtmd.project.findings import Finding, Level, Part, counted, error, fact
from mtmd.validate.staging import stage_day

_COUNTS = "select surface, product, count(*) as n from candidates group by all order by all"


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
