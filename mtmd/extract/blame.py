"""What to mend after DuckDB could not read a day's logs: a file, a statement, a value, memory or a full disk."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from mtmd.errors import LogsError, StorageError
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import (
    MORE_MEMORY,
    NO_ROOM,
    Columns,
    Connection,
    as_it_is,
    file_columns,
    files_alike,
    is_without_memory,
    parameters,
)
from mtmd.logs.source import LogSource
from mtmd.logs.sql import MEMORY, duckdb_paths, quoted

_LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)


@contextmanager
def blaming(
    connection: Connection,
    source: LogSource,
    files: SourceFiles,
    day: date,
    declared: Mapping[str, Columns] | None = None,
) -> Iterator[None]:
    """Turn DuckDB's error into a LogsError or StorageError that says what to mend.

    `declared` has the columns of the tables of which there is a view `source_<table>` already.
    """
    try:
        yield
    except duckdb.Error as error:
        raise reading_error(connection, source, files, day, error, declared or {}) from error


def reading_error(
    connection: Connection,
    source: LogSource,
    files: SourceFiles,
    day: date,
    error: Exception,
    declared: Mapping[str, Columns],
) -> LogsError | StorageError:
    """DuckDB's error as one that says what to mend."""
    of = f"{next(iter(files))} of {day}" if len(files) == 1 else f"logs of {day}"
    if NO_ROOM.search(str(error)):
        ((spill,),) = connection.execute("select current_setting('temp_directory')", {}).fetchall()
        return StorageError(
            f"{of}: there is no room for DuckDB's temporary files in {spill} ({_first_line(str(error))}); make room "
            "there, name a folder with more room in TMPDIR, or let DuckDB have more memory "
            f"({MEMORY}=4GiB in the environment), then run again"
        )
    if is_without_memory(error):
        return StorageError(f"{of}: {_first_line(str(error))}; {MORE_MEMORY}, then run again")
    words = blame(connection, source, files, day, declared)
    return LogsError(f"{of}: {words or f'reading failed ({error}), though all of it can be read; run again'}")


def blame(
    connection: Connection,
    source: LogSource,
    files: SourceFiles,
    day: date,
    declared: Mapping[str, Columns],
) -> str | None:
    """What to mend after reading failed; None where everything can be read."""
    return (
        _unreadable_file(connection, source, files)
        or _wrong_statement(connection, source, files, day)
        or _unreadable_value(connection, {table: declared[table] for table in files if table in declared})
    )


def _attempt(connection: Connection, sql: str, values: dict[str, Any]) -> str | None:
    """Run a statement; DuckDB's words where it fails."""
    try:
        connection.execute(sql, values)
    except duckdb.Error as error:
        return str(error)
    return None


def _unreadable_file(connection: Connection, source: LogSource, files: SourceFiles) -> str | None:
    for table, path in ((table, path) for table, paths in files.items() for path in paths):
        if (there := as_it_is(source, table)) is None:
            continue
        query = _whole(f"({there})")
        if (words := _attempt(connection, query, {"paths": duckdb_paths([path])})) is not None:
            return f"{path} can't be read ({_first_line(words)}); write the file again"
    return None


def _wrong_statement(connection: Connection, source: LogSource, files: SourceFiles, day: date) -> str | None:
    for table, paths in files.items():
        text = source.statement(table)
        for query, read in _readings(connection, source, table, paths, day):
            if (words := _attempt(connection, query, parameters(text, read, day))) is None:
                continue
            line = _LINE.search(words)
            place = f", line {line[1]} ({line[2].strip()})" if line else ""
            others = f" and {len(read) - 1} more" if len(read) > 1 else ""
            return (
                f"{source.file(table)}{place}: {_first_line(words)}. The fault is in this statement: what it reads "
                f"({read[0]}{others}) is sound, where it is Parquet; correct the statement and run again"
            )
    return None


def _readings(
    connection: Connection, source: LogSource, table: str, paths: list[Path], day: date
) -> Iterator[tuple[str, list[Path]]]:
    """Queries of a table's statement with the files that each reads; the next one is asked only if all before can be.

    Of each file first, where the statement may lack a column of one; all begin on the statement's first line.
    """
    text = source.statement(table)
    for path in paths:
        yield f"describe ({text}\n)", [path]
    columns = {path: file_columns(connection, source, table, path, day) for path in paths}
    for together in files_alike(connection, source, table, columns):
        yield _whole(f"({text}\n)"), together


def _unreadable_value(connection: Connection, declared: Mapping[str, Columns]) -> str | None:
    for table, columns in declared.items():
        for column, kind in columns.items():
            query = f"select max(hash({quoted(column)})) from source_{table}"
            if (words := _attempt(connection, query, {})) is not None:
                return (
                    f"{table}.{column} has a value that its declared type {kind} can't hold "
                    f"({_first_line(words)}); correct it, or cast the column yourself in source_{table}.sql"
                )
    return None


def _whole(relation: str) -> str:
    """A statement that reads every row of a relation to its end, and gives one."""
    return f'select max(hash("every.row")) from {relation} as "every.row"'


def _first_line(words: str) -> str:
    return words.splitlines()[0]
