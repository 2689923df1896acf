"""What `mtmd check` and `mtmd init` need of DuckDB: a connection's type, its errors, and rows as dictionaries."""

from typing import Any, TypeAlias

import duckdb

Connection: TypeAlias = duckdb.DuckDBPyConnection
EngineError = duckdb.Error


def rows(connection: Connection, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run one statement; its rows as dictionaries. Raises EngineError."""
    connection.execute(sql, parameters or {})
    names = [column[0] for column in connection.description or ()]
    return [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
