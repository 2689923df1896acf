"""DuckDB sessions in memory over Parquet, with a spill directory each; statements come from sql/.

A session reads files below its `roots` and nothing else (`mtmd/logs/sql.py`).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from mtmd.errors import ConfigError
from mtmd.logs.sql import BELIEVE_ROWS, MEMORY, literal, shut_in, statement
from mtmd.store.files import remove

_ROWS = 32_768  # of a batch
_MEMORY = "512MiB"  # of days that are extracted side by side each has so much, however long they are
_VALIDATION_MEMORY = "2GiB"  # likewise; what is larger spills


@contextmanager
def session(
    spill: Path, roots: Sequence[Path], default_memory: str = _MEMORY
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own, which spills what it cannot hold to `spill`; that directory is gone afterwards."""
    connection = duckdb.connect(":memory:")
    try:
        _set_up(connection, spill, default_memory, roots)
        yield connection
    finally:
        connection.close()
        remove(spill)


@contextmanager
def reading(roots: Sequence[Path], default_memory: str = _MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A `session` for what writes no output to spill beside: it spills to a folder of its own, below TMPDIR."""
    with (
        TemporaryDirectory(prefix="mtmd-") as folder,
        session(Path(folder) / "spill", roots, default_memory) as connection,
    ):
        yield connection


@dataclass(frozen=True)
class Database:
    """A connection whose rows are dictionaries."""

    connection: duckdb.DuckDBPyConnection

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement; its rows as dictionaries."""
        self.connection.execute(sql, parameters or {})
        names = [column[0] for column in self.connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self.connection.fetchall()]


@contextmanager
def database(roots: Sequence[Path]) -> Iterator[Database]:
    """A new, empty database for a validation; it is gone when the block ends."""
    with reading(roots, _VALIDATION_MEMORY) as connection:
        yield Database(connection)


def _set_up(
    connection: duckdb.DuckDBPyConnection, spill: Path, default_memory: str, roots: Sequence[Path]
) -> None:
    """Let a new connection spill to a folder, beyond so much memory, and read files below `roots` only."""
    connection.execute(f"set temp_directory = {literal(str(spill))}")
    amount = os.environ.get(MEMORY, "").strip() or default_memory
    try:
        connection.execute(f"set memory_limit = {literal(amount)}")
    except duckdb.Error as error:
        raise ConfigError(
            f"{MEMORY} ({amount!r}) must be an amount with its unit ({error})", "set it to one such as 8GiB"
        ) from error
    connection.execute(BELIEVE_ROWS)
    connection.execute("set TimeZone = 'UTC'")  # the machine's must not decide what a team's statement gives
    for setting in shut_in(roots):
        connection.execute(setting)


def batches(relation: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
    """A relation's rows, some at a time, which bounds what is held of a day. Raises DuckDB's own errors."""
    try:
        yield from relation.to_arrow_reader(_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise duckdb.Error(str(error)) from error  # as it comes through Arrow's stream


def create_table(connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> None:
    """Make the table that sql/<name>.sql describes, under that name; the session's cursors see it too."""
    connection.execute(f"create table {name} as\n{statement(name)}", parameters)
