"""Reading a source's tables in DuckDB, for every reader alike: columns, and views of the declared ones.

DuckDB is not imported here: the stations that own a connection pass it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from mtmd.errors import LogsError
from mtmd.logs.columns import TEXT, column_problems, select_declared
from mtmd.logs.source import LogSource
from mtmd.logs.sql import MEMORY, bare_sql, duckdb_paths, parameter_names, statement

Columns = Mapping[str, str]

# DuckDB's words. No file is written but where it spills.
NO_ROOM = re.compile("failed to offload data block|No space left on device")
_NO_MEMORY = re.compile("Out of Memory Error")
_UNITED = re.compile(r"\bunion_by_name\s*(=|:=|=>)\s*(true|1)\b", re.IGNORECASE)
_PARQUET = re.compile(r"\b(read_parquet|parquet_scan)\s*\(", re.IGNORECASE)

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
    """Columns and DuckDB types that a table's statement gives of one file; reads no rows.

    The text of a CSV file is told from other text.
    """
    text, csv = source.statement(table), source.is_csv(table)
    rows = connection.execute(f"describe {text}", parameters(text, [file], day)).fetchall()
    return {row[0]: TEXT if csv and row[1] == "VARCHAR" else row[1] for row in rows}


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
) -> None:
    """Make a view of a table's `declared` columns after comparing every file's columns with them.

    Raises LogsError naming the file and the columns that can't be read as declared.
    """
    files = {path: file_columns(connection, source, table, path, day) for path in paths}
    for path, found in files.items():
        problems = column_problems(declared, found, optional=optional, ignore_undeclared=ignore_undeclared)
        if listed := ", ".join(f"{column} ({problem})" for column, problem in problems):
            raise LogsError(
                f"{path} has other columns than declared: {listed}. Correct the file, the preset's features, or "
                f"{_where_to_cast(source, table)}"
            )
    create_source_view(connection, view, source, table, day, declared, files)


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
    groups = files_alike(connection, source, table, compared)
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
    connection: Connection, source: LogSource, table: str, files: Mapping[Path, Mapping[str, str | None]]
) -> list[list[Path]]:
    """A table's files in groups that a statement may read together; `files` has the columns that it gives of each.

    DuckDB casts all files that it reads together to the types of the first one. So the files of a group give the same
    columns, and what the statement names has one type in all of them. A statement that reads with `union_by_name`
    leaves the types to DuckDB.
    """
    text = bare_sql(source.statement(table))
    own = len(files) > 1 and source.sql is not None and _PARQUET.search(text) and not _UNITED.search(text)
    stored = {path: _stored(connection, source, table, path) if own else {} for path in files}
    named = {column for columns in stored.values() for column in columns if _is_named(column, text)}
    groups: dict[Any, list[Path]] = {}
    for path, found in files.items():
        types = frozenset((column, stored[path].get(column)) for column in named)
        groups.setdefault((frozenset(found.items()), types), []).append(path)
    return list(groups.values())


def _is_named(column: str, text: str) -> bool:
    """Whether a statement may compute with the column; what it only passes on is among the columns that it gives."""
    word = rf"(?<!\w){re.escape(column)}(?!\w)|\bcolumns\s*\("
    return re.search(word, text, re.IGNORECASE) is not None


def _stored(connection: Connection, source: LogSource, table: str, path: Path) -> Columns:
    """The columns of a Parquet file as they are, whatever a statement makes of them."""
    query = f"describe {as_it_is(source, table)}"
    return {row[0]: row[1] for row in connection.execute(query, {"paths": duckdb_paths([path])}).fetchall()}


def is_without_memory(error: Exception) -> bool:
    """Whether DuckDB's error says that it needs more memory than a session may have."""
    return _NO_MEMORY.search(str(error)) is not None and NO_ROOM.search(str(error)) is None


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
