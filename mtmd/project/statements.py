"""Whether the three source statements run, on the files of one day."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from mtmd.errors import ConfigError
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import as_it_is, files_alike, found_columns, is_without_memory, parameters
from mtmd.logs.source import LogSource
from mtmd.project.engine import Connection, EngineError, rows
from mtmd.project.findings import Finding, Part, error

_LINE = re.compile(r"\n+LINE (\d+):.*", re.DOTALL)


@dataclass(frozen=True)
class TableRead:
    """What a statement gives of a day: the columns of each file, or None where the statement or a file is wrong.

    `statement` can be used in any case: where the table's own is wrong, it reads the files as they are.
    """

    source: LogSource
    table: str
    day: date
    statement: str
    columns: dict[Path, dict[str, str]] | None

    def given(self, paths: Sequence[Path]) -> dict[str, Any]:
        """The parameters of the statement, on some files of the day."""
        return parameters(self.statement, paths, self.day)

    def columns_of(self, connection: Connection, *paths: Path) -> dict[str, str]:
        """Columns and types that the statement gives of files. Raises EngineError."""
        query = f"describe select * from (\n{self.statement}\n) as source"
        described = rows(connection, query, self.given(paths))
        return found_columns(
            self.source, self.table, {row["column_name"]: row["column_type"] for row in described}
        )


class StatementsCheck(NamedTuple):
    """What is wrong with the statements, what they give, and the seconds that reading the day's tables took."""

    findings: list[Finding]
    tables: dict[str, TableRead]
    seconds: float


def check_statements(
    connection: Connection, source: LogSource, files: SourceFiles, day: date
) -> StatementsCheck:
    """Describe each statement, then read all that it gives. Files that can't be read are left out of `files`.

    Raises EngineError if DuckDB lacks memory.
    """
    findings: list[Finding] = []
    tables = {}
    started = time.perf_counter()
    for table in TABLES:
        raw = TableRead(source, table, day, as_it_is(source, table), None)
        unreadable = [_unreadable(connection, raw, path) for path in files[table]]
        broken = [finding for finding in unreadable if finding is not None]
        findings += broken
        files[table] = [path for path, bad in zip(files[table], unreadable, strict=True) if bad is None]
        if not files[table]:
            continue
        read = _read(connection, raw, files[table])
        if isinstance(read, Finding):
            findings.append(read)
            read = raw
        tables[table] = read
    return StatementsCheck(findings, tables, time.perf_counter() - started)


def _unreadable(connection: Connection, raw: TableRead, path: Path) -> Finding | None:
    if raw.source.is_csv(raw.table) and raw.source.sql is not None:
        return None  # the statement alone knows how to read it
    try:
        raw.columns_of(connection, path)
    except EngineError as wrong:
        kind = "CSV" if raw.source.is_csv(raw.table) else "Parquet"
        return error(
            Part.STATEMENTS, str(path), f"not readable {kind}: {_first(wrong)}", "write the file again"
        )
    return None


def _read(connection: Connection, raw: TableRead, paths: list[Path]) -> TableRead | Finding:
    source, table = raw.source, raw.table
    place = f"source_{table}.sql" if source.sql is None else str(Path(source.sql) / f"source_{table}.sql")
    try:
        statement = source.statement(table)
    except ConfigError as wrong:
        text, _, remedy = str(wrong).partition("; ")
        return error(Part.STATEMENTS, place, text, remedy)
    try:
        read = replace(raw, statement=statement)
        columns = {path: read.columns_of(connection, path) for path in paths}
        query = f"select bit_xor(hash(source)) from (\n{statement}\n) as source"
        for together in files_alike(connection, source, table, raw.day, columns):
            rows(connection, query, read.given(together))
    except EngineError as wrong:
        if is_without_memory(wrong):
            raise
        line = _line(wrong)
        remedy = (
            f"correct the statement; {paths[0].name} of {table} {_what_it_has(connection, raw, paths[0])}"
        )
        return error(Part.STATEMENTS, f"{place}:{line}" if line else place, _first(wrong), remedy)
    return replace(read, columns=columns)


def _what_it_has(connection: Connection, raw: TableRead, path: Path) -> str:
    try:
        columns = raw.columns_of(connection, path)
    except EngineError as wrong:
        return f"can't be read without it, either: {_first(wrong)}"
    return "has " + ", ".join(f"{name} {kind}" for name, kind in columns.items())


def _first(wrong: Exception) -> str:
    """DuckDB's message in one line, without the piece of the statement."""
    return " ".join(_LINE.sub("", str(wrong)).split())


def _line(wrong: Exception) -> int | None:
    """The line in the statement's file; the statement is asked with one line before it."""
    found = _LINE.search(str(wrong))
    return int(found[1]) - 1 if found else None
