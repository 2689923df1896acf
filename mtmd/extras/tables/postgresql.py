"""A table or view of PostgreSQL, read as Arrow through ADBC in one read-only snapshot."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from mtmd.errors import ConfigError, LogsError
from mtmd.extension import library
from mtmd.extras.tables.readers import USE, bounds, days_of
from mtmd.extras.tables.sources import PostgresqlTable
from mtmd.logs.sql import quoted

_SNAPSHOT = ("set transaction isolation level repeatable read, read only", "set local time zone 'UTC'")


@contextmanager
def postgresql(config: PostgresqlTable, _root: Path | str) -> Iterator["_Table"]:
    """The table in a transaction of its own.

    Raises ConfigError where the driver or the environment variable is missing, and LogsError for what the database
    says, without the connection string.
    """
    dbapi = library("adbc_driver_postgresql.dbapi", "postgres", USE)
    address = os.environ.get(config.connection)
    if not address:
        raise ConfigError(
            f"the environment variable {config.connection} is not set; set it to the connection string: "
            "postgresql://user:password@host:5432/database"
        )
    try:
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            for setting in _SNAPSHOT:
                cursor.execute(setting)
            yield _Table(config, cursor)
    except dbapi.Error as error:
        raise LogsError(f"PostgreSQL says: {_without_secrets(str(error), address)}") from None


class _Table:
    def __init__(self, config: PostgresqlTable, cursor: Any) -> None:
        self.config = config
        self.cursor = cursor

    def days(self) -> set[date]:
        day = quoted(self.config.day_column)
        query = self.config.days_sql or f"select distinct cast({day} as date) from {self._name}"
        return days_of(self._read(query).read_all().column(0))

    def version(self, day: date) -> str:
        schema = self._read(f"{self._rows} limit 0", day).schema
        digest = "count(*)::text || ' ' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0)::text"
        query = self.config.version_sql or f"select {digest} from ({self._rows}) as r"
        answer = self._read(query, day).read_all()
        if answer.shape != (1, 1):
            rows, columns = answer.shape
            raise LogsError(f"version_sql gave {rows} rows of {columns} columns; it must give one value")
        return f"{answer.column(0)[0]} {schema.remove_metadata()}"

    def rows(self, day: date) -> pa.RecordBatchReader:
        return self._read(self._rows, day)

    @property
    def _name(self) -> str:
        return ".".join(map(quoted, self.config.table.split(".")))

    @cached_property
    def _rows(self) -> str:
        columns, day = self.config.columns, quoted(self.config.day_column)
        chosen = "*" if columns is None else ", ".join(map(quoted, columns))
        return f"select {chosen} from {self._name} where {day} >= $1 and {day} < $2"

    @cached_property
    def _day_kind(self) -> pa.DataType:
        return (
            self._read(f"select {quoted(self.config.day_column)} from {self._name} limit 0")
            .schema.field(0)
            .type
        )

    def _read(self, query: str, day: date | None = None) -> pa.RecordBatchReader:
        """Run a query; it is given as many of the day and the day after as it asks for."""
        asked = max(map(int, re.findall(r"\$([12])\b", query)), default=0)
        given = bounds(day, self._day_kind)[:asked] if day is not None and asked else ()
        self.cursor.execute(query, tuple(map(_plain, given)) or None)
        return self.cursor.fetch_record_batch()


def _plain(bound: Any) -> Any:
    return bound.as_py() if isinstance(bound, pa.Scalar) else bound


def _without_secrets(words: str, address: str) -> str:
    """The first line, which may quote the connection string where that is wrong."""
    for secret in (address, urlsplit(address).password):
        words = words.replace(secret or "\0", "…")
    return words.strip().splitlines()[0]
