"""What to mend after DuckDB could not read a day's logs: a file, a value, a statement, memory or a full disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import chain
from pathlib import Path

import duckdb

from mtmd.errors import LogsError, StorageError
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import MORE_MEMORY, NO_ROOM, Connection, as_it_is, is_without_memory
from mtmd.logs.source import LogSource
from mtmd.logs.sql import MEMORY, duckdb_paths, quoted

_COMPARED = 30  # earlier days whose columns are looked at


@contextmanager
def blaming(connection: Connection, source: LogSource, files: SourceFiles, day: date) -> Iterator[None]:
    """Turn DuckDB's error into a LogsError or StorageError that says what to mend."""
    try:
        yield
    except duckdb.Error as error:
        raise reading_error(connection, source, files, day, error) from error


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
    if is_without_memory(error):
        return StorageError(f"{of}: {_first_line(error)}; {MORE_MEMORY}, then run again")
    found = chain(_unreadable_files(connection, source, files), _unreadable_values(connection, files))
    if (wrong := next(found, None)) is not None:
        return LogsError(f"{of}: {wrong}")
    words = " ".join(str(error).split())
    statements = ", ".join(str(source.file(table)) for table in files)
    if changes := "".join(changed_columns(connection, source, table, files, day) for table in files):
        return LogsError(
            f"{of}: {changes}{words}", f"deliver it as before, or correct {statements}, then run again"
        )
    return LogsError(
        f"{of}: {words}; correct the statement ({statements}) or the files that it reads, then run again"
    )


def changed_columns(
    connection: Connection, source: LogSource, table: str, files: SourceFiles, day: date
) -> str:
    """Which columns a table's files had until an earlier day, and which on this one; empty where none changed.

    The day is the newest one before whose files differ, of those that are at hand.
    """
    query = as_it_is(source, table)
    if query is None or source.is_remote(table):
        return ""
    with suppress(duckdb.Error, LogsError):
        now = _stored(connection, query, files[table])
        for earlier in sorted((one for one in source.table(table).days() if one < day), reverse=True)[
            :_COMPARED
        ]:
            before = _stored(connection, query, source.day_files(table, earlier))
            if before != now:
                then, new = (
                    ", ".join(f"{c} ({kind})" for c, kind in sorted(of))
                    for of in (before - now, now - before)
                )
                return f"until {earlier} {table} had {then or 'no further column'}, on {day} {new or 'not'}; "
    return ""


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
            yield f"{path} can't be read ({_first_line(error)}); write the file again"


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
