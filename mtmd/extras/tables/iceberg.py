"""An Apache Iceberg table, by pyiceberg: in a catalog, or by the path of one state's metadata."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from mtmd.config.sources import IcebergTable
from mtmd.extension import library
from mtmd.extras.tables.table import USE, Version, bounds, days_of
from mtmd.store.files import digest


@contextmanager
def opened(config: IcebergTable, _root: Path | str) -> Iterator["_Table"]:
    """The table at its current snapshot; raises ConfigError where pyiceberg is missing, and pyiceberg's errors."""
    if config.catalog is None:
        static = library("pyiceberg.table", "iceberg", USE).StaticTable
        table = static.from_metadata(config.table, properties=config.properties)
    else:
        catalog = library("pyiceberg.catalog", "iceberg", USE).load_catalog(
            config.catalog, **config.properties
        )
        table = catalog.load_table(config.table)
    yield _Table(config, table)


@dataclass(frozen=True)
class _Table:
    config: IcebergTable
    table: Any

    def days(self) -> set[date]:
        scan = self.table.scan(selected_fields=(self.config.day_column,))
        return {day for batch in scan.to_arrow_batch_reader() for day in days_of(batch.column(0))}

    def version(self, day: date) -> Version:
        """Files are never changed: the day is what it was where the same files are read with the same deletions."""
        scan = self._scan(day)
        files = sorted(
            [task.file.file_path, *sorted(deletion.file_path for deletion in task.delete_files)]
            for task in scan.plan_files()
        )
        snapshot = self.table.current_snapshot()
        words = f"snapshot {snapshot.snapshot_id}" if snapshot else "no snapshot"
        return Version(digest([files, str(scan.projection())]), words)

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
