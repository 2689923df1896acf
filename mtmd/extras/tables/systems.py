"""The systems that tables are read from: PostgreSQL, Delta Lake and Apache Iceberg.

PostgreSQL is read as Arrow through ADBC, in one read-only snapshot. Lakes are read by deltalake and pyiceberg; their
files are never changed.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.dataset as ds

from mtmd.errors import ConfigError, LogsError
from mtmd.extension import library
from mtmd.extras.tables.readers import USE, bounds, days_of
from mtmd.extras.tables.sources import DeltaTable, IcebergTable, PostgresqlTable
from mtmd.logs.sql import quoted
from mtmd.store.files import digest

_SNAPSHOT = ("set transaction isolation level repeatable read, read only", "set local time zone 'UTC'")


@contextmanager
def postgresql(config: PostgresqlTable, _root: Path | str) -> Iterator["_Postgresql"]:
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
            yield _Postgresql(config, cursor)
    except dbapi.Error as error:
        raise LogsError(f"PostgreSQL says: {_without_secrets(str(error), address)}") from None


class _Postgresql:
    def __init__(self, config: PostgresqlTable, cursor: Any) -> None:
        self.config = config
        self.cursor = cursor

    def days(self) -> set[date]:
        day = quoted(self.config.day_column)
        query = self.config.days_sql or f"select distinct cast({day} as date) from {self._name}"
        return days_of(self._read(query).read_all().column(0))

    def version(self, day: date) -> str:
        schema = self._read(f"{self._rows} limit 0", day).schema
        content = "count(*)::text || ' ' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0)::text"
        query = self.config.version_sql or f"select {content} from ({self._rows}) as r"
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
        query = f"select {quoted(self.config.day_column)} from {self._name} limit 0"
        return self._read(query).schema.field(0).type

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


@contextmanager
def delta(config: DeltaTable, root: Path | str) -> Iterator["_Delta"]:
    """The table at its newest version; raises ConfigError where deltalake is missing, and deltalake's errors."""
    below = f"{root}/{config.path}" if isinstance(root, str) else str(root / config.path)
    place = config.path if "://" in config.path else below
    table = library("deltalake", "delta", USE).DeltaTable(place)
    yield _Delta(config, table.to_pyarrow_dataset())


@contextmanager
def iceberg(config: IcebergTable, _root: Path | str) -> Iterator["_Iceberg"]:
    """The table at its current snapshot; raises ConfigError where pyiceberg is missing, and pyiceberg's errors."""
    catalogs = library("pyiceberg.catalog", "iceberg", USE)
    catalog = catalogs.load_catalog(config.catalog, **config.properties)
    yield _Iceberg(config, catalog.load_table(config.table))


@dataclass(frozen=True)
class _Delta:
    config: DeltaTable
    dataset: Any

    def days(self) -> set[date]:
        batches = self.dataset.scanner(columns=[self.config.day_column]).to_batches()
        return {day for batch in batches for day in days_of(batch.column(0))}

    def version(self, day: date) -> str:
        """The day is what it was where it is read from the same files."""
        files = sorted(fragment.path for fragment in self.dataset.get_fragments(filter=self._of(day)))
        return digest([files, str(self.dataset.schema)])

    def rows(self, day: date) -> pa.RecordBatchReader:
        columns = None if self.config.columns is None else list(self.config.columns)
        return self.dataset.scanner(filter=self._of(day), columns=columns).to_reader()

    def _of(self, day: date) -> ds.Expression:
        column = self.config.day_column
        first, after = bounds(day, self.dataset.schema.field(column).type)
        return (ds.field(column) >= first) & (ds.field(column) < after)


@dataclass(frozen=True)
class _Iceberg:
    config: IcebergTable
    table: Any

    def days(self) -> set[date]:
        scan = self.table.scan(selected_fields=(self.config.day_column,))
        return {day for batch in scan.to_arrow_batch_reader() for day in days_of(batch.column(0))}

    def version(self, day: date) -> str:
        """The day is what it was where the same files are read with the same deletions."""
        scan = self._scan(day)
        files = sorted(
            [task.file.file_path, *sorted(deletion.file_path for deletion in task.delete_files)]
            for task in scan.plan_files()
        )
        return digest([files, str(scan.projection())])

    def rows(self, day: date) -> pa.RecordBatchReader:
        return self._scan(day).to_arrow_batch_reader()

    def _scan(self, day: date) -> Any:
        expressions = library("pyiceberg.expressions", "iceberg", USE)
        column = self.config.day_column
        arrow = library("pyiceberg.io.pyarrow", "iceberg", USE).schema_to_pyarrow(self.table.schema())
        first, after = (_text(bound) for bound in bounds(day, arrow.field(column).type))
        within = expressions.And(
            expressions.GreaterThanOrEqual(column, first), expressions.LessThan(column, after)
        )
        return self.table.scan(row_filter=within, selected_fields=self.config.columns or ("*",))


def _text(bound: Any) -> str:
    """A bound as pyiceberg reads it, in the form of its column's type."""
    value = bound.as_py() if isinstance(bound, pa.Scalar) else bound
    return value if isinstance(value, str) else str(value.isoformat())
