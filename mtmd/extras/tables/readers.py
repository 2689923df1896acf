"""Days of remote tables as Parquet files on disk: each version of a day is fetched once, and verified when it is used.

<spool>/<table>/YYYY-MM-DD/<version>/part-0.parquet, manifest.json
<spool>/<table>/YYYY-MM-DD/current.json                            the version that is read
"""

import importlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError, MtmdError
from mtmd.extras.tables.sources import RemoteTable
from mtmd.logs.source import Table
from mtmd.store.files import digest, write_json
from mtmd.store.workspace import make_once, read_record

USE = "reads tables of this kind"  # of a driver


class Opened(Protocol):
    """A table as it was when it was opened: what is read of it belongs together."""

    def days(self) -> set[date]:
        """The days of which there are rows."""

    def version(self, day: date) -> str:
        """What differs whenever the day's rows do."""

    def rows(self, day: date) -> pa.RecordBatchReader:
        """The day's rows; the filter is the table's own work."""


def days_of(column: pa.Array | pa.ChunkedArray) -> set[date]:
    """The distinct days of a column of dates, times or text."""
    distinct = pc.unique(column).cast(pa.date32()).drop_null()
    return set(distinct.to_pylist())


def bounds(day: date, kind: pa.DataType) -> tuple[Any, Any]:
    """The day and the one after, between which a day's values are, as values of a column's type.

    Raises LogsError for a type that says no day.
    """
    both = [day, day + timedelta(days=1)]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return both[0].isoformat(), both[1].isoformat()
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise LogsError(f"day_column is {kind}; it must be a date, a time or text")
    zoneless = pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind
    first, after = pa.array(both, pa.date32()).cast(pa.timestamp("us")).cast(zoneless).cast(kind)
    return first, after


@contextmanager
def blaming(table: str) -> Iterator[None]:
    """Turn what a driver raises into a LogsError that names the table and the preset's section."""
    try:
        yield
    except MtmdError as error:
        raise type(error)(f"{table} ([sources.{table}]): {error}") from error
    except Exception as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise LogsError(
            f"{table} ([sources.{table}]): the table can't be read ({words[0]}); correct the section, or the table"
        ) from error


def opened(config: Any, root: Path | str) -> AbstractContextManager[Opened]:
    """Open a table; a path is seen from `root`. Raises ConfigError where its driver is missing, and driver's errors."""
    systems = importlib.import_module("mtmd.extras.tables.systems")  # which imports this one
    kind = getattr(systems, config.kind)
    return kind(config, root)  # type: ignore[no-any-return]


SPOOL_FORMAT = 1  # raise it whenever the same rows would become other files
_FILE = "part-0.parquet"
_log = logging.getLogger(__name__)


class Fetched(Frozen):
    """Which version of a day is read."""

    asked: str = Field(description="digest of the preset's section: what was asked of which table")
    version: str = Field(description="folder of the version")


@dataclass(frozen=True)
class SpooledTable(Table):
    """One remote table, and the folder of its days. Paths of tables are seen from `root`: a folder, or a URL."""

    name: str
    config: RemoteTable
    folder: Path
    root: Path | str

    def days(self) -> set[date]:
        """The days that the table has now. Raises LogsError and ConfigError that name the table."""
        with blaming(self.name), opened(self.config, self.root) as table:
            return table.days()

    def refresh(self, day: date) -> Fetched:
        """Ask for the day's version, and fetch what is not here yet; raises as `days` does."""
        folder = self._day(day)
        with blaming(self.name), opened(self.config, self.root) as table:
            key = digest([SPOOL_FORMAT, self._asked, table.version(day)])[:16]
            if not make_once(folder / key, lambda place: _write(table.rows(day), place / _FILE)):
                _log.info("%s of %s: fetched", self.name, day)
        fetched = Fetched(asked=self._asked, version=key)
        if fetched != self._current(day):
            write_json(folder / "current.json", fetched.model_dump(mode="json"), seal=True)
        return fetched

    @property
    def place(self) -> str:
        """Where the table's days are, for people."""
        return f"the table of [sources.{self.name}]"

    def _has_rows(self, day: date) -> bool:
        return bool(pq.read_metadata(self._file(day)).num_rows)

    def files(self, day: date) -> list[Path]:
        """The day as it was fetched last; it is fetched if it was not before, or had no rows.

        Raises LogsError where it has no rows by now.
        """
        if not self._has_rows(day):
            self.refresh(day)
        if not self._has_rows(day):
            raise LogsError(
                f"{self.name} of {day}: the table of [sources.{self.name}] has no row of the day; deliver it, or "
                "correct the section's day_column"
            )
        return [self._file(day)]

    def _file(self, day: date) -> Path:
        current = self._current(day)
        if current is None or not (self._day(day) / current.version / _FILE).is_file():
            current = self.refresh(day)
        return self._day(day) / current.version / _FILE

    def _current(self, day: date) -> Fetched | None:
        """None for what another section of the preset asked for."""
        current = read_record(self._day(day) / "current.json", Fetched)
        return current if current is not None and current.asked == self._asked else None

    @property
    def _asked(self) -> str:
        return digest([self.config.model_dump(mode="json"), str(self.root)])

    def _day(self, day: date) -> Path:
        return self.folder / self.name / day.isoformat()


def _write(rows: pa.RecordBatchReader, path: Path) -> None:
    """Without what a driver notes beside the columns."""
    schema = pa.schema([field.remove_metadata() for field in rows.schema])
    with pq.ParquetWriter(path, schema) as writer:
        for batch in rows:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


table = SpooledTable  # the seam
