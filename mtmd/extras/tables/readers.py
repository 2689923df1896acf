"""Days of remote tables as Parquet files on disk: each version of a day is fetched once, and verified when it is used.

<spool>/<table>/YYYY-MM-DD/<version>/part-0.parquet, manifest.json
<spool>/<table>/YYYY-MM-DD/current.json                            the version that is read
"""

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.extras.tables.sources import RemoteTable
from mtmd.extras.tables.table import blaming, opened
from mtmd.store.files import digest, write_json
from mtmd.store.outputs import make_once, read_record

SPOOL_FORMAT = 1  # raise it whenever the same rows would become other files
_FILE = "part-0.parquet"
_log = logging.getLogger(__name__)


class Fetched(Frozen):
    """Which version of a day is read."""

    asked: str = Field(description="digest of the preset's section: what was asked of which table")
    version: str = Field(description="folder of the version")
    state: str = Field(description="of the table: its snapshot, its version, or what version_sql gave")


@dataclass(frozen=True)
class SpooledTable:
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
            version = table.version(day)
            key = digest([SPOOL_FORMAT, self._asked, version.content])[:16]
            if not make_once(folder / key, lambda place: _write(table.rows(day), place / _FILE)):
                _log.info("%s of %s: fetched %s", self.name, day, version.words)
        fetched = Fetched(asked=self._asked, version=key, state=version.words)
        if fetched != self._current(day):
            write_json(folder / "current.json", fetched.model_dump(mode="json"), seal=True)
        return fetched

    @property
    def place(self) -> str:
        """Where the table's days are, for people."""
        return f"the table of [sources.{self.name}]"

    @property
    def folders(self) -> list[Path]:
        """Files are in the spool alone."""
        return []

    def digests(self, day: date) -> None:
        """Nothing is known of a fetched file but its content."""

    def has_day(self, day: date) -> bool:
        """Whether the day has rows by now; it is asked for where it was not fetched before, or had none then."""
        if not self._has_rows(day):
            self.refresh(day)
        return self._has_rows(day)

    def _has_rows(self, day: date) -> bool:
        return bool(pq.read_metadata(self._file(day)).num_rows)

    def files(self, day: date) -> list[Path]:
        """The day as it was fetched last; it is fetched if it was not before. Raises LogsError where it has no rows."""
        if not self.has_day(day):
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
        return digest(self.config.model_dump(mode="json"))

    def _day(self, day: date) -> Path:
        return self.folder / self.name / day.isoformat()


def _write(rows: pa.RecordBatchReader, path: Path) -> None:
    """Without what a driver notes beside the columns."""
    schema = pa.schema([field.remove_metadata() for field in rows.schema])
    with pq.ParquetWriter(path, schema) as writer:
        for batch in rows:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


def table(name: str, config: RemoteTable, folder: Path, root: Path | str) -> SpooledTable:
    """A table of the logs whose days are fetched; `folder` keeps them."""
    return SpooledTable(name, config, folder, root)
