"""Where an import puts its days, and how a later one knows that they are all there.

`<logs>/import.json` names the import; it is complete once its report is in it. Day directories are atomic.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.contract import TABLES
from mtmd.errors import LogsError
from mtmd.logs import day_directory, day_files
from mtmd.storage import atomic_directory, read_json, remove, sweep, write_json
from mtmd.world.kuairand.report import ImportReport

_MARKER = "import.json"


class DayStore:
    """The logs folder of one import, named by `identity`."""

    def __init__(self, logs: Path, identity: str) -> None:
        self.logs = logs
        self._identity = identity

    def complete(self) -> ImportReport | None:
        """The report of this very import when it finished and its files are there."""
        marker = self.logs / _MARKER
        if not marker.is_file():
            return None
        content = read_json(marker)
        if content["identity"] != self._identity or content["report"] is None:
            return None
        report = ImportReport.model_validate(content["report"])
        return report if self._holds(report.candidates_per_day) else None

    def check_replaceable(self) -> None:
        """Raises LogsError when the folder holds tables that no import made."""
        if not (self.logs / _MARKER).is_file() and (found := [t for t in TABLES if (self.logs / t).exists()]):
            raise LogsError(
                f"{self.logs} holds {found} that no KuaiRand import wrote; choose an empty folder"
            )

    def begin(self) -> None:
        """Remove what an earlier or interrupted import left, and mark this one as unfinished."""
        self.check_replaceable()
        write_json(self.logs / _MARKER, {"identity": self._identity, "report": None})
        for table in TABLES:
            remove(self.logs / table)
        sweep(self.logs)

    def write(self, day: date, tables: dict[str, pa.Table]) -> None:
        """Write the three tables of one day, each atomically."""
        for name, table in tables.items():
            with atomic_directory(day_directory(self.logs, name, day)) as directory:
                pq.write_table(table, directory / "part-0.parquet")

    def finish(self, report: ImportReport) -> None:
        """Mark the import as complete."""
        write_json(
            self.logs / _MARKER, {"identity": self._identity, "report": report.model_dump(mode="json")}
        )

    def _holds(self, days: Iterable[date]) -> bool:
        try:
            return all(day_files(self.logs, table, day) for day in days for table in TABLES)
        except LogsError:
            return False
