"""A Delta Lake table, by deltalake."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from mtmd.config.sources import DeltaTable
from mtmd.extension import library
from mtmd.extras.tables.table import USE, Version, bounds, days_of
from mtmd.store.files import digest


@contextmanager
def opened(config: DeltaTable, root: Path | str) -> Iterator["_Table"]:
    """The table at its newest version; raises ConfigError where deltalake is missing, and deltalake's errors."""
    below = f"{root}/{config.path}" if isinstance(root, str) else str(root / config.path)
    place = config.path if "://" in config.path else below
    table = library("deltalake", "delta", USE).DeltaTable(place)
    yield _Table(config, table.version(), table.to_pyarrow_dataset())


@dataclass(frozen=True)
class _Table:
    config: DeltaTable
    number: int
    dataset: Any

    def days(self) -> set[date]:
        batches = self.dataset.scanner(columns=[self.config.day_column]).to_batches()
        return {day for batch in batches for day in days_of(batch.column(0))}

    def version(self, day: date) -> Version:
        """Files are never changed: the day is what it was where it is read from the same files."""
        files = sorted(fragment.path for fragment in self.dataset.get_fragments(filter=self._of(day)))
        return Version(digest([files, str(self.dataset.schema)]), f"version {self.number}")

    def rows(self, day: date) -> pa.RecordBatchReader:
        columns = self.config.columns
        scanner = self.dataset.scanner(
            filter=self._of(day), columns=None if columns is None else list(columns)
        )
        return scanner.to_reader()

    def _of(self, day: date) -> ds.Expression:
        column = self.config.day_column
        first, after = bounds(day, self.dataset.schema.field(column).type)
        return (ds.field(column) >= first) & (ds.field(column) < after)
