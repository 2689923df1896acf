"""Streams a day's tables into Parquet parts; each table's day appears whole or not at all."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.logs.files import day_directory
from mtmd.store.files import atomic_directory


class DayWriter:
    """Writes tables of one day, piece by piece; other tables than the given ones are dropped."""

    def __init__(self, logs: Path, day: date, tables: Sequence[str], rows_per_file: int) -> None:
        self._places = {table: day_directory(logs, table, day) for table in tables}
        self._rows_per_file = rows_per_file
        self._stack = ExitStack()
        self._parts: dict[str, _Parts] = {}

    def __enter__(self) -> Self:
        for table, place in self._places.items():
            parts = _Parts(self._stack.enter_context(atomic_directory(place)), self._rows_per_file)
            self._stack.callback(parts.close)
            self._parts[table] = parts
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def write(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table."""
        if table in self._parts:
            self._parts[table].write(rows)


class _Parts:
    """The files part-0.parquet, part-1.parquet, … of one directory."""

    def __init__(self, directory: Path, rows_per_file: int) -> None:
        self._directory = directory
        self._rows_per_file = rows_per_file
        self._count = 0
        self._rows = 0
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        if self._writer is None:
            path = self._directory / f"part-{self._count}.parquet"
            self._writer = pq.ParquetWriter(path, rows.schema, compression="zstd", compression_level=1)
            self._count += 1
        self._writer.write_table(rows)
        self._rows += rows.num_rows
        if self._rows >= self._rows_per_file:
            self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._rows = None, 0
