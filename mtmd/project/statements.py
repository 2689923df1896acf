"""Whether the three source statements run, on the files of one day."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mtmd.errors import ConfigError
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import SourceFiles
from mtmd.logs.files import duckdb_paths
from mtmd.logs.source import LogSource
from mtmd.project.engine import Connection, EngineError, rows
from mtmd.project.findings import Finding, Part, error

RAW = "select * from read_parquet($paths, hive_partitioning = false)"
_LINE = re.compile(r"\n+LINE (\d+):.*", re.DOTALL)


@dataclass(frozen=True)
class TableRead:
    """What a statement gives of a day: the columns of each file, or None where the statement or a file is wrong.

    `statement` can be used in any case: where the table's own is wrong, it reads the files as they are.
    """

    table: str
    statement: str
    columns: dict[Path, dict[str, str]] | None


class StatementsCheck(NamedTuple):
    """What is wrong with the statements, what they give, and the seconds that reading the day's tables took."""

    findings: list[Finding]
    tables: dict[str, TableRead]
    seconds: float


def check_statements(connection: Connection, source: LogSource, files: SourceFiles) -> StatementsCheck:
    """Describe each statement, then read all that it gives. Files that can't be read are left out of `files`."""
    findings: list[Finding] = []
    tables = {}
    started = time.perf_counter()
    for table in TABLES:
        unreadable = [_unreadable(connection, path) for path in files[table]]
        broken = [finding for finding in unreadable if finding is not None]
        findings += broken
        files[table] = [path for path, bad in zip(files[table], unreadable, strict=True) if bad is None]
        if not files[table]:
            continue
        read = _read(connection, source, table, files[table])
        if isinstance(read, Finding):
            findings.append(read)
            read = TableRead(table, RAW, None)
        tables[table] = read
    return StatementsCheck(findings, tables, time.perf_counter() - started)


def columns_of(connection: Connection, statement: str, path: Path) -> dict[str, str]:
    """Columns and types that a statement gives of one file. Raises EngineError."""
    described = rows(
        connection, f"describe select * from (\n{statement}\n) as source", {"paths": duckdb_paths([path])}
    )
    return {row["column_name"]: row["column_type"] for row in described}


def _unreadable(connection: Connection, path: Path) -> Finding | None:
    try:
        columns_of(connection, RAW, path)
    except EngineError as wrong:
        return error(
            Part.STATEMENTS, str(path), f"not readable Parquet: {_first(wrong)}", "write the file again"
        )
    return None


def _read(connection: Connection, source: LogSource, table: str, paths: list[Path]) -> TableRead | Finding:
    place = f"source_{table}.sql" if source.sql is None else str(Path(source.sql) / f"source_{table}.sql")
    try:
        statement = source.statement(table)
    except ConfigError as wrong:
        text, _, remedy = str(wrong).partition("; ")
        return error(Part.STATEMENTS, place, text, remedy)
    try:
        columns = {path: columns_of(connection, statement, path) for path in paths}
        rows(
            connection,
            f"select bit_xor(hash(source)) from (\n{statement}\n) as source",
            {"paths": duckdb_paths(paths)},
        )
    except EngineError as wrong:
        line = _line(wrong)
        has = ", ".join(f"{name} {kind}" for name, kind in columns_of(connection, RAW, paths[0]).items())
        remedy = f"correct the statement; {paths[0].name} of {table} has {has}"
        return error(Part.STATEMENTS, f"{place}:{line}" if line else place, _first(wrong), remedy)
    return TableRead(table, statement, columns)


def _first(wrong: Exception) -> str:
    """DuckDB's message in one line, without the piece of the statement."""
    return " ".join(_LINE.sub("", str(wrong)).split())


def _line(wrong: Exception) -> int | None:
    """The line in the statement's file; the statement is asked with one line before it."""
    found = _LINE.search(str(wrong))
    return int(found[1]) - 1 if found else None
