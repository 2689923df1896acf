"""What every kind of remote table offers, and how one is opened."""

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from mtmd.errors import LogsError, MtmdError

USE = "reads tables of this kind"  # of a driver


class Opened(Protocol):
    """A table as it was when it was opened: what is read of it belongs together."""

    def days(self) -> set[date]:
        """The days of which there are rows."""

    def version(self, day: date) -> "Version":
        """What the day's rows are known by."""

    def rows(self, day: date) -> pa.RecordBatchReader:
        """The day's rows; the filter is the table's own work."""


@dataclass(frozen=True)
class Version:
    """`content` differs whenever the day's rows do; `words` say which state of the table it is of."""

    content: str
    words: str


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
    first, after = pa.array(both, pa.date32()).cast(pa.timestamp("us")).cast(_without_zone(kind)).cast(kind)
    return first, after


def _without_zone(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind


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
    module = "postgresql" if config.kind == "postgresql" else "lakes"  # each imports this one
    kind = getattr(importlib.import_module(f"mtmd.extras.tables.{module}"), config.kind)
    return kind(config, root)  # type: ignore[no-any-return]
