"""Tables of lakes: Delta Lake, by deltalake, and Apache Iceberg, by pyiceberg. Their files are never changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from mtmd.extension import library
from mtmd.extras.tables.readers import USE, bounds, days_of
from mtmd.extras.tables.sources import DeltaTable, IcebergTable
from mtmd.store.files import digest


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
