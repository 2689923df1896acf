"""Streams a day's tables into Parquet parts; each table's day appears whole or not at all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.logs.files import day_directory
from mtmd.store.files import atomic_directory


@contextmanager
def day_writer(
    logs: Path, day: date, tables: Sequence[str], rows_per_file: int
) -> Iterator[Callable[[str, pa.Table], None]]:
    """Yield what appends rows to a table of the day; rows of other tables than the given ones are dropped."""
    with ExitStack() as stack:
        parts: dict[str, _Parts] = {}
        for table in tables:
            directory = stack.enter_context(atomic_directory(day_directory(logs, table, day)))
            parts[table] = _Parts(directory, rows_per_file)
            stack.callback(parts[table].close)

        def write(table: str, rows: pa.Table) -> None:
            if table in parts:
                parts[table].write(rows)

        yield write


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
