"""What to mend after DuckDB could not read a day's logs: a file, a value, a statement, memory or a full disk."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from mtmd.errors import LogsError, StorageError
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import MORE_MEMORY, NO_MEMORY, NO_ROOM, Connection, as_it_is
from mtmd.logs.source import LogSource
from mtmd.logs.sql import MEMORY, duckdb_paths, literal, quoted

_COMPARED = 30  # earlier days whose columns are looked at
SHOWN = 3  # rows or values


@contextmanager
def blaming(connection: Connection, source: LogSource, files: SourceFiles, day: date) -> Iterator[None]:
    """Turn DuckDB's error into a LogsError or StorageError that says what to mend."""
    try:
        yield
    except duckdb.Error as error:
        blamed = reading_error(connection, source, files, day, error)
        blamed.day = day
        raise blamed from error


def reading_error(
    connection: Connection, source: LogSource, files: SourceFiles, day: date, error: Exception
) -> LogsError | StorageError:
    """DuckDB's error as one that says what to mend."""
    of = f"{next(iter(files))} of {day}" if len(files) == 1 else f"logs of {day}"
    if NO_ROOM.search(str(error)):
        ((spill,),) = connection.execute("select current_setting('temp_directory')", {}).fetchall()
        return StorageError(
            f"{of}: there is no room for DuckDB's temporary files in {spill} ({_first_line(error)}); make room there, "
            "name a folder with more room in TMPDIR, or let DuckDB have more memory "
            f"({MEMORY}=4GiB in the environment), then run again"
        )
    if NO_MEMORY.search(str(error)):
        return StorageError(f"{of}: {_first_line(error)}; {MORE_MEMORY}, then run again")
    found = chain(_unreadable_files(connection, source, files), _unreadable_values(connection, files))
    wrong = next(found, None)
    changes = "".join(changed_columns(connection, source, table, files, day) for table in files)
    if wrong is not None:
        return LogsError(f"{of}: {changes}{wrong}")
    words = " ".join(str(error).split())
    statements = ", ".join(str(source.file(table)) for table in files)
    if changes:
        return LogsError(
            f"{of}: {changes}{words}", f"deliver it as before, or correct {statements}, then run again"
        )
    return LogsError(
        f"{of}: {words}; correct the statement ({statements}) or the files that it reads, then run again"
    )


class ColumnChange(NamedTuple):
    """Columns and types that a table's files had until an earlier day, and those that they have now.

    The day is the newest one before whose files differ, of those that are at hand.
    """

    until: date
    gone: Mapping[str, str]
    new: Mapping[str, str]


def column_change(
    connection: Connection, source: LogSource, table: str, paths: Sequence[Path], day: date
) -> ColumnChange | None:
    """How the columns of a day's files changed; None where they did not, or it can't be told."""
    query = as_it_is(source, table)
    if query is None or source.is_remote(table):
        return None
    with suppress(duckdb.Error, LogsError):
        now = _stored(connection, query, paths)
        earlier = sorted((one for one in source.table(table).days() if one < day), reverse=True)
        for before in earlier[:_COMPARED]:
            then = _stored(connection, query, source.day_files(table, before))
            if then != now:
                return ColumnChange(before, dict(sorted(then - now)), dict(sorted(now - then)))
    return None


def changed_columns(
    connection: Connection, source: LogSource, table: str, files: SourceFiles, day: date
) -> str:
    """Which columns a table's files had until an earlier day, and which on this one; empty where none changed."""
    change = column_change(connection, source, table, files[table], day)
    if change is None:
        return ""
    had = ", ".join(f"{column} ({kind})" for column, kind in change.gone.items()) or "no further column"
    query, given = as_it_is(source, table), {"paths": duckdb_paths(files[table])}
    has = ", ".join(
        f"{column} ({kind}, such as {sample(connection, quoted(column), f'({query})', given)})"
        for column, kind in change.new.items()
    )
    return f"until {change.until} {table} had {had}, on {day} {has or 'not'}; "


def sample(connection: Connection, column: str, rows: str, given: dict[str, Any]) -> str:
    """The first values of a column, as SQL of texts."""
    shown = f"select distinct left(cast({column} as varchar), 40) from {rows} where {column} is not null"
    found = connection.execute(f"{shown} order by 1 limit {SHOWN}", given).fetchall()
    return ", ".join(literal(value) for (value,) in found) or "null"


def _stored(connection: Connection, query: str, paths: Sequence[Path]) -> set[tuple[str, str]]:
    """Columns of files and their types, of all files together."""
    described = (
        connection.execute(f"describe ({query})", {"paths": duckdb_paths([path])}).fetchall()
        for path in paths
    )
    return {(row[0], row[1]) for rows in described for row in rows}


def _unreadable_files(connection: Connection, source: LogSource, files: SourceFiles) -> Iterator[str]:
    for table, path in ((table, path) for table, paths in files.items() for path in paths):
        if (there := as_it_is(source, table)) is None:
            continue
        query = f'select max(hash("every.row")) from ({there}) as "every.row"'
        try:
            connection.execute(query, {"paths": duckdb_paths([path])})
        except duckdb.Error as error:
            remedy = "write the file again" if os.access(path, os.R_OK) else "let this user read it"
            if path.suffix != ".parquet":
                remedy += f"; or have {source.file(table)} read its format, such as by read_csv($paths)"
            yield f"{path} can't be read ({_first_line(error)}); {remedy}"


def _unreadable_values(connection: Connection, files: SourceFiles) -> Iterator[str]:
    """Columns of the views `source_<table>`, as far as they are there, of which a value is not as declared."""
    for table in files:
        try:
            columns = connection.execute(f"describe source_{table}", {}).fetchall()
        except duckdb.Error:
            continue
        for column, kind, *_ in columns:
            try:
                connection.execute(f"select max(hash({quoted(column)})) from source_{table}", {})
            except duckdb.Error as error:
                yield (
                    f"{table}.{column} has a value that its declared type {kind} can't hold ({_first_line(error)}); "
                    f"correct it, or cast the column yourself in source_{table}.sql"
                )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
