"""The DuckDB of a check: a session of extraction, which is shut in to the folders that the preset declares."""

from typing import Any, TypeAlias

import duckdb

Connection: TypeAlias = duckdb.DuckDBPyConnection
EngineError = duckdb.Error


def rows(connection: Connection, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run one statement; its rows as dictionaries. Raises EngineError."""
    connection.execute(sql, parameters or {})
    names = [column[0] for column in connection.description or ()]
    return [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
