"""Where an import puts its days, how a later import knows that they are all there, and what it reports of itself.

`<logs>/import.json` names the import; it is complete once its report is in it. Day directories are atomic.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES
from mtmd.logs.files import day_directory, day_files
from mtmd.store.files import atomic_directory, read_json, remove, sweep, write_json

_MARKER = "import.json"


class TaskQuality(Frozen):
    """The teacher on one task: newest = the last two days, scored by teachers of earlier days only."""

    task: str
    auc_newest: float | None = Field(description="against what users did; None without both outcomes")
    auc_cross_fitted: float | None = Field(description="likewise, on the days before them")
    mean_score_newest: float
    mean_action_newest: float
    mean_score_cross_fitted: float
    mean_action_cross_fitted: float


class TeacherReport(Frozen):
    """How the heavyweight teacher was fitted, and how it ranks actions it never saw."""

    members: int
    epochs: int
    blocks: int = Field(description="day blocks of the cross-fit")
    newest_days: tuple[date, ...]
    tasks: tuple[TaskQuality, ...]
    auc_profile_enter_newest: float | None = Field(
        description="octr against every profile enter, also those without a click"
    )


class ImportReport(Frozen):
    """One import of KuaiRand-Pure: what was read, dropped, missing and written."""

    logs: str
    identity: str = Field(description="digest of source files, code format, seed, preset columns and teacher")
    reused: bool = Field(description="a complete import of the same identity was there; nothing was written")
    first: date
    last: date
    rows_read: int
    duplicates_dropped: int = Field(description="rows equal to an earlier one in every column")
    other_tabs_dropped: int = Field(description="rows of the ten tiny or inconsistent tabs")
    repeats_dropped: int = Field(description="same user, surface, hour and video: the first exposure stays")
    dates_disagreeing: int = Field(description="rows whose `date` is not the China day of `time_ms`")
    profile_enters_without_click: int = Field(description="not outbound clicks: octr needs a click")
    requests: int
    candidates: int
    candidates_per_day: dict[date, int]
    candidates_per_domain: dict[str, int]
    missing: dict[str, int] = Field(description="empty values per column of the user and video tables")
    teacher: TeacherReport
    seconds: float


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
        self._mark(None)
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
        self._mark(report)

    def _mark(self, report: ImportReport | None) -> None:
        content = None if report is None else report.model_dump(mode="json")
        write_json(self.logs / _MARKER, {"identity": self._identity, "report": content})

    def _holds(self, days: Iterable[date]) -> bool:
        try:
            return all(day_files(self.logs, table, day) for day in days for table in TABLES)
        except LogsError:
            return False
