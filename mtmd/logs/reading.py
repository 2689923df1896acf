"""Reading a source's tables in DuckDB, for every reader alike: columns, views, and what to mend when reading fails.

DuckDB is not imported here: the stations that own a connection pass it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol

from mtmd.errors import LogsError, StorageError
from mtmd.logs.columns import TEXT, column_problems, select_declared, widened_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.files import duckdb_paths
from mtmd.logs.locking import MEMORY
from mtmd.logs.source import LogSource
from mtmd.logs.sql import bare_sql, parameter_names, quoted, statement

Columns = Mapping[str, str]

# DuckDB's words. No file is written but where it spills.
_NO_ROOM = re.compile("failed to offload data block|No space left on device")
_NO_MEMORY = re.compile("Out of Memory Error")
_LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)
_PARQUET = re.compile(r"\b(read_parquet|parquet_scan)\s*\(", re.IGNORECASE)
_PATTERN_OF_COLUMNS = re.compile(r"\bcolumns\s*\(", re.IGNORECASE)
_UNITED = re.compile(r"\bunion_by_name\s*(=|:=|=>)\s*(true|1)\b", re.IGNORECASE)

MORE_MEMORY = (
    f"let DuckDB have more memory ({MEMORY} in the environment), or write files of smaller row groups"
)


class Connection(Protocol):
    """A connection to DuckDB, or what stands for one."""

    def execute(self, query: str, parameters: dict[str, Any]) -> Any: ...

    def sql(self, query: str, *, params: dict[str, Any]) -> Any: ...


def parameters(text: str, paths: Sequence[Path], day: date) -> dict[str, Any]:
    """What a source's statement asks for, of `$paths` and `$day`."""
    values = {"paths": duckdb_paths(paths), "day": day}
    return {name: values[name] for name in values.keys() & parameter_names(text)}


def file_columns(
    connection: Connection, source: LogSource, table: str, file: Path, day: date
) -> dict[str, str]:
    """Columns and DuckDB types that a table's statement gives of one file; reads no rows."""
    text = source.statement(table)
    rows = connection.execute(f"describe {text}", parameters(text, [file], day)).fetchall()
    return found_columns(source, table, {row[0]: row[1] for row in rows})


def found_columns(source: LogSource, table: str, described: Columns) -> dict[str, str]:
    """Columns as DuckDB describes them, with the text of a CSV file told from other text."""
    csv = source.is_csv(table)
    return {column: TEXT if csv and kind == "VARCHAR" else kind for column, kind in described.items()}


def create_checked_view(
    connection: Connection,
    view: str,
    source: LogSource,
    table: str,
    paths: Sequence[Path],
    day: date,
    declared: Columns,
    *,
    optional: frozenset[str] = frozenset(),
    ignore_undeclared: bool = False,
) -> dict[str, str]:
    """Make a view of a table's `declared` columns after comparing every file's columns with them.

    Returns the columns that are read with a cast, as `widened_columns`. Raises LogsError naming the file and the
    columns that can't be read as declared.
    """
    files = {path: file_columns(connection, source, table, path, day) for path in paths}
    widened: dict[str, str] = {}
    for path, found in files.items():
        problems = column_problems(declared, found, optional=optional, ignore_undeclared=ignore_undeclared)
        if listed := ", ".join(f"{column} ({problem})" for column, problem in problems):
            raise LogsError(
                f"{path} has other columns than declared: {listed}. Correct the file, the preset's features, or "
                f"{_where_to_cast(source, table)}"
            )
        widened |= widened_columns(declared, found)
    create_source_view(connection, view, source, table, day, declared, files)
    return widened


def _where_to_cast(source: LogSource, table: str) -> str:
    if source.sql is None:
        return f"write a source_{table}.sql of your own, in a folder that the preset names as `sql`"
    return f"the statement in {source.file(table)}"


def create_source_view(
    connection: Connection,
    view: str,
    source: LogSource,
    table: str,
    day: date,
    declared: Columns,
    files: Mapping[Path, Columns],
) -> None:
    """Make a view of a table's `declared` columns, in their declared types; nothing is read before it is used.

    `files` are the table's files with the columns of each, which must have no `column_problems`. Files of different
    types are given to the statement apart from each other (`files_alike`).
    """
    compared = {path: {column: found.get(column) for column in declared} for path, found in files.items()}
    groups = files_alike(connection, source, table, day, compared)
    text = source.statement(table)
    parts = [view] if len(groups) == 1 else [f"{view}_{n}" for n in range(len(groups))]
    for part, paths in zip(parts, groups, strict=True):
        columns = select_declared(table, declared, files[paths[0]])
        connection.sql(
            f"select {columns} from (\n{text}\n) as statement", params=parameters(text, paths, day)
        ).create_view(part)
    if len(parts) > 1:
        connection.execute(
            f"create view {view} as {' union all '.join(f'from {part}' for part in parts)}", {}
        )


def files_alike(
    connection: Connection,
    source: LogSource,
    table: str,
    day: date,
    files: Mapping[Path, Mapping[str, str | None]],
) -> list[list[Path]]:
    """A table's files in groups that a statement may read together; `files` has the columns that it gives of each.

    DuckDB casts all files that it reads together to the types of the first one. So the files of a group give the same
    columns, and what the statement names has one type in all of them. A statement that reads its files with
    `union_by_name` leaves the types to DuckDB.
    """
    text = bare_sql(source.statement(table))
    stored: Mapping[Path, Columns] = {}
    if len(files) > 1 and source.sql is not None and _PARQUET.search(text) and not _UNITED.search(text):
        stored = {path: _stored(connection, source, table, path) for path in files}
    types: dict[str, set[str]] = {}
    for column, kind in (pair for columns in stored.values() for pair in columns.items()):
        types.setdefault(column, set()).add(kind)
    apart = [column for column, kinds in types.items() if len(kinds) > 1 and _is_named(column, text)]
    groups: dict[Any, list[Path]] = {}
    for path, found in files.items():
        own = tuple(stored[path].get(column) for column in apart)
        groups.setdefault((frozenset(found.items()), own), []).append(path)
    return list(groups.values())


def _is_named(column: str, text: str) -> bool:
    """Whether a statement may compute with the column; what it only passes on is among the columns that it gives."""
    word = rf"(?<!\w){re.escape(column)}(?!\w)"
    return re.search(word, text, re.IGNORECASE) is not None or _PATTERN_OF_COLUMNS.search(text) is not None


def _stored(connection: Connection, source: LogSource, table: str, path: Path) -> Columns:
    """The columns of a Parquet file as they are, whatever a statement makes of them."""
    query = f"describe {as_it_is(source, table)}"
    return {row[0]: row[1] for row in connection.execute(query, {"paths": duckdb_paths([path])}).fetchall()}


@dataclass(frozen=True)
class Attempt:
    """Runs statements on a connection whose errors are `engine_error`."""

    connection: Connection
    engine_error: type[Exception]

    def __call__(self, sql: str, parameters: dict[str, Any]) -> str | None:
        """Run one; DuckDB's words where it fails."""
        try:
            self.connection.execute(sql, parameters)
        except self.engine_error as error:
            return str(error)
        return None

    @property
    def spill(self) -> Path:
        """The folder of DuckDB's temporary files."""
        ((folder,),) = self.connection.execute("select current_setting('temp_directory')", {}).fetchall()
        return Path(folder)


def reading_error(
    attempt: Attempt,
    source: LogSource,
    files: SourceFiles,
    day: date,
    error: Exception,
    declared: Mapping[str, Columns] | None = None,
    *,
    views: str = "source",
) -> LogsError | StorageError:
    """DuckDB's error as one that says what to mend: a file, a statement of the source, a value, memory, or a full disk.

    `declared` has the columns of the tables of which there is a view `<views>_<table>` already.
    """
    of = f"{next(iter(files))} of {day}" if len(files) == 1 else f"logs of {day}"
    if _NO_ROOM.search(str(error)):
        spill = attempt.spill
        # The folder below TMPDIR is that of a reader; one that is deeper down lies beside an output.
        moved = ", name a folder with more room in TMPDIR," if Path(gettempdir()) in spill.parents[:2] else ""
        return StorageError(
            f"{of}: there is no room for DuckDB's temporary files in {spill} ({_first_line(str(error))}); make room "
            f"there{moved} or let DuckDB have more memory ({MEMORY}=4GiB in the environment), then run again"
        )
    if is_without_memory(error):
        return StorageError(f"{of}: {_first_line(str(error))}; {MORE_MEMORY}, then run again")
    words = blame(attempt, source, files, day, declared or {}, views=views)
    return LogsError(f"{of}: {words or f'reading failed ({error}), though all of it can be read; run again'}")


def is_without_memory(error: Exception) -> bool:
    """Whether DuckDB's error says that it needs more memory than a session may have."""
    return _NO_MEMORY.search(str(error)) is not None and _NO_ROOM.search(str(error)) is None


def blame(
    attempt: Attempt,
    source: LogSource,
    files: SourceFiles,
    day: date,
    declared: Mapping[str, Columns],
    *,
    views: str = "source",
) -> str | None:
    """What to mend after reading failed, as in `reading_error`; None where everything can be read."""
    return (
        _unreadable_file(attempt, source, files)
        or _wrong_statement(attempt, source, files, day)
        or _unreadable_value(attempt, declared, views)
    )


def as_it_is(source: LogSource, table: str) -> str:
    """The statement that gives all that a table's files have, whatever the table's own statement makes of them."""
    if source.is_csv(table):
        # Which separators a file has, only a statement of the team's own may know.
        return (
            bare_sql(statement("source_csv"))
            if source.sql is None
            else "from read_csv($paths, all_varchar = true, hive_partitioning = false)"
        )
    return bare_sql(statement(f"source_{table}"))


def _unreadable_file(attempt: Attempt, source: LogSource, files: SourceFiles) -> str | None:
    for table, path in ((table, path) for table, paths in files.items() for path in paths):
        query = _whole(f"({as_it_is(source, table)})")
        if (words := attempt(query, {"paths": duckdb_paths([path])})) is not None:
            return f"{path} can't be read ({_first_line(words)}); write the file again"
    return None


def _wrong_statement(attempt: Attempt, source: LogSource, files: SourceFiles, day: date) -> str | None:
    for table, paths in files.items():
        text = source.statement(table)
        for query, read in _readings(attempt.connection, source, table, paths, day):
            if (words := attempt(query, parameters(text, read, day))) is not None:
                kind = "CSV" if source.is_csv(table) else "Parquet"
                return _statement_to_mend(source.file(table), words, read, kind)
    return None


def _readings(
    connection: Connection, source: LogSource, table: str, paths: list[Path], day: date
) -> Iterator[tuple[str, list[Path]]]:
    """Queries of a table's statement with the files that each reads; the next one is asked only if all before can be.

    Of each file first, where the statement may lack a column of one; all begin on the statement's first line.
    """
    text = source.statement(table)
    for path in paths:
        yield f"describe {text}", [path]
    columns = {path: file_columns(connection, source, table, path, day) for path in paths}
    for together in files_alike(connection, source, table, day, columns):
        yield _whole(f"({text}\n)"), together


def _statement_to_mend(file: Path, words: str, read: Sequence[Path], kind: str) -> str:
    line = _LINE.search(words)
    place = f"{file}, line {line[1]} ({line[2].strip()})" if line else str(file)
    files = str(read[0]) if len(read) == 1 else f"{read[0]} and {len(read) - 1} more"
    return (
        f"{place}: {_first_line(words)}. The fault is in this statement: what it reads ({files}) is sound {kind}; "
        "correct the statement and run again"
    )


def _unreadable_value(attempt: Attempt, declared: Mapping[str, Columns], views: str) -> str | None:
    for table, columns in declared.items():
        for column, kind in columns.items():
            if (words := attempt(f"select max(hash({quoted(column)})) from {views}_{table}", {})) is not None:
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
