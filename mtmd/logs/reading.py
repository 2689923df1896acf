"""Reading a source's tables in DuckDB, for every reader alike: columns, and views of the declared ones.

DuckDB is not imported here: the stations that own a connection pass it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from mtmd.errors import LogsError
from mtmd.logs.contract import column_problems, select_declared
from mtmd.logs.source import LogSource
from mtmd.logs.sql import MEMORY, bare_sql, duckdb_paths, parameter_names, statement

Columns = Mapping[str, str]

# DuckDB's words. No file is written but where it spills.
NO_ROOM = re.compile("failed to offload data block|No space left on device")
NO_MEMORY = re.compile("Out of Memory Error")
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
    """Columns and DuckDB types that a table's statement gives of one file; reads no rows."""
    text = source.statement(table)
    return _described(connection, text, parameters(text, [file], day))


def _described(connection: Connection, text: str, values: dict[str, Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe ({text}\n)", values).fetchall()}


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
                f"{path} has other columns than declared: {listed}. Correct the file, the preset's features, or a "
                f"source_{table}.sql of your own, in a folder that the preset names as `sql`"
            )
    create_source_view(connection, view, source, table, day, declared, files)


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

    DuckDB casts all files that it reads together to the types of the first one. So the files of a group have and give
    the same columns. A statement that reads with `union_by_name` leaves the types to DuckDB.
    """
    whole = as_it_is(source, table)
    if len(files) == 1 or source.sql is None or _UNITED.search(bare_sql(source.statement(table))):
        whole = None
    groups: dict[Any, list[Path]] = {}
    for path, found in files.items():
        stored = {} if whole is None else _described(connection, whole, {"paths": duckdb_paths([path])})
        groups.setdefault((frozenset(found.items()), frozenset(stored.items())), []).append(path)
    return list(groups.values())


def as_it_is(source: LogSource, table: str) -> str | None:
    """The statement that gives all that a table's Parquet files have, whatever the table's own statement makes of them.

    None where the own statement reads files of another kind.
    """
    reads = bare_sql(source.statement(table))
    return bare_sql(statement(f"source_{table}")) if _PARQUET.search(reads) else None
