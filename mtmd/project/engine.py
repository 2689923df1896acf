"""The DuckDB of a check: locked, so that nothing that it is asked can load an extension or reach a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from mtmd.extract.database import session

Connection: TypeAlias = duckdb.DuckDBPyConnection
EngineError = duckdb.Error
_LOCK = (
    "set autoload_known_extensions = false",
    "set allow_community_extensions = false",
    "set lock_configuration = true",
)


@contextmanager
def locked(spill: Path) -> Iterator[Connection]:
    """A session over Parquet whose settings, once made, stay as they are."""
    with session(spill) as connection:
        for setting in _LOCK:
            connection.execute(setting)
        yield connection


def rows(connection: Connection, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run one statement; its rows as dictionaries. Raises EngineError."""
    connection.execute(sql, parameters or {})
    names = [column[0] for column in connection.description or ()]
    return [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
