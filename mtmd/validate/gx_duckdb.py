"""Great-expectations on DuckDB: one in-memory database that we fill and great-expectations queries.

Great-expectations 1.24.1 has no DuckDB dialect. It fetches a result after closing the connection it came
from, except for dialects in a private tuple, and with DuckDB that fails ("list index out of range"). `load`
adds DuckDB to that tuple, which is why pyproject.toml pins the release exactly.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from mtmd.errors import ConfigError
from mtmd.extract.database import set_up
from mtmd.store.files import scratch

SUPPORTED = "1.24.1"
_MEMORY = "2GiB"  # of days that are validated side by side each has so much; what is larger spills


class _Dialect(StrEnum):
    DUCKDB = "duckdb"


def load() -> ModuleType:
    """Import great-expectations (2–5 s the first time), teach it DuckDB, and return it.

    Raises ConfigError when another release is installed than the one that this was tested with.
    """
    if (found := version("great-expectations")) != SUPPORTED:
        raise ConfigError(
            f"great-expectations {found} is installed; mtmd.validate needs exactly {SUPPORTED}: "
            f"pip install great-expectations=={SUPPORTED}"
        )
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # nothing calls out to a network
    import great_expectations  # noqa: PLC0415
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine  # noqa: PLC0415

    if _Dialect.DUCKDB not in engine._PERSISTED_CONNECTION_DIALECTS:
        engine._PERSISTED_CONNECTION_DIALECTS = (*engine._PERSISTED_CONNECTION_DIALECTS, _Dialect.DUCKDB)
    module: ModuleType = great_expectations
    return module


def autocommit(engine: Any) -> None:
    """Let a SQLAlchemy engine on DuckDB open no transactions.

    Great-expectations keeps one connection open, hence one transaction; the first query that raised would
    abort it, and with it every expectation that follows. duckdb-engine has no isolation level for this.
    """
    engine.dialect.do_begin = lambda connection: None


@dataclass(frozen=True)
class Database:
    """An in-memory DuckDB database that several connections of this process see."""

    url: str
    connection: Any  # duckdb-engine's wrapper of a DuckDBPyConnection: same methods, untyped

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement; its rows as dictionaries."""
        self.connection.execute(sql, parameters or {})
        names = [column[0] for column in self.connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self.connection.fetchall()]


@contextmanager
def database(roots: Sequence[Path] | None = None) -> Iterator[Database]:
    """A new, empty database; it is gone when the block ends.

    It reads files below `roots` and nothing else (`mtmd/logs/locking.py`); it is left open where there are none to say.
    """
    # A tenth of a second to import, which a run that validates nothing saves.
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    # Opened through duckdb-engine, as great-expectations will: DuckDB refuses a second connection to one
    # database whose settings differ, and duckdb-engine sends a user agent of its own.
    url = f"duckdb:///:memory:mtmd-{uuid4().hex}"
    with scratch() as spill:  # its own: statements may read and write there
        raw = create_engine(url, poolclass=NullPool).raw_connection()
        try:
            # A day larger than memory spills; DuckDB's own default would be a folder in the working directory.
            set_up(raw.dbapi_connection, spill, _MEMORY, roots)
            yield Database(url=url, connection=raw.dbapi_connection)
        finally:
            raw.close()
