"""A folder of logs that a command of ours writes: where its days go, and how a later call knows that all are there.

A marker in the folder names what the logs were made of; they are complete once the writer's report is in it. Day
directories are atomic.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.config import Declarations, Frozen
from mtmd.errors import LogsError, StorageError
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading
from mtmd.extract.sources import check_keys, load_sources, make_keys
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.files import day_directory, day_files
from mtmd.logs.source import LogSource
from mtmd.store.files import atomic_directory, read_json, remove, sweep, write_json

# order of the rows that are read
_KEYS = {"requests": "request_id", "ads": "ad_id", "candidates": "request_id, ad_id"}

Report = TypeVar("Report", bound=Frozen)


def check_replaceable(logs: Path, marker: str) -> None:
    """Raises LogsError when the folder holds tables that no writing with this marker made."""
    if not (logs / marker).is_file() and (tables := [t for t in TABLES if (logs / t).exists()]):
        raise LogsError(
            f"{logs} holds {tables} without {marker}, so this command did not write them; choose an empty folder"
        )


class DayStore(Generic[Report]):
    """The folder `logs`, whose file `marker` has the report of one writing, named by `identity`."""

    def __init__(self, logs: Path, marker: str, identity: str, report: type[Report]) -> None:
        self.logs = logs
        self._marker = logs / marker
        self.identity = identity
        self._report = report

    def complete(self, days_of: str) -> Report | None:
        """The report of this very writing when it finished and its files are there; None if any of them is damaged.

        `days_of` is the field of the report that names the days.
        """
        try:
            content = read_json(self._marker)
            if content["identity"] != self.identity:
                return None
            report = self._report.model_validate(content["report"])
        except (StorageError, KeyError, TypeError, ValueError):
            return None  # unfinished, damaged, or of an earlier version
        return report if self._holds(getattr(report, days_of)) else None

    def begin(self) -> None:
        """Remove what an earlier or interrupted writing left, and mark this one as unfinished."""
        check_replaceable(self.logs, self._marker.name)
        self._mark(None)
        for table in TABLES:
            remove(self.logs / table)
        sweep(self.logs)

    def write(self, day: date, tables: dict[str, pa.Table]) -> None:
        """Write the three tables of one day, each atomically."""
        for name, table in tables.items():
            with atomic_directory(day_directory(self.logs, name, day)) as directory:
                pq.write_table(table, directory / "part-0.parquet")

    def finish(self, report: Report) -> None:
        """Mark the writing as complete."""
        self._mark(report.model_dump(mode="json"))

    def _mark(self, report: dict[str, Any] | None) -> None:
        write_json(self._marker, {"identity": self.identity, "report": report})

    def _holds(self, days: Iterable[date]) -> bool:
        try:
            for day in days:
                for file in (path for table in TABLES for path in day_files(self.logs, table, day)):
                    pq.read_metadata(file)  # a file that was cut off has none
        except (LogsError, pa.ArrowException, OSError):
            return False
        return True


def read_day_tables(
    source: LogSource, files: SourceFiles, day: date, declarations: Declarations
) -> dict[str, pa.Table]:
    """The three tables of a day in order of their keys, with the declared columns; scores may be missing or null.

    Raises LogsError for files, columns and keys that are not as the contract says.
    """
    with reading(source.readable(files)) as connection:
        load_sources(connection, source, files, day, declarations, without_scores=True)
        with blaming(connection, source, files, day, table_columns(declarations)):
            make_keys(connection, day, declarations)
            check_keys(connection, day, declarations)
            return {
                table: connection.view(f"source_{table}").order(keys).to_arrow_table()
                for table, keys in _KEYS.items()
            }
