"""A folder of logs that a command of ours writes whole, once; a marker in it names what the logs were made of."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError, StorageError
from mtmd.extras.kuairand.day_scores import TaskQuality
from mtmd.logs.contract import TABLES
from mtmd.logs.places import day_directory
from mtmd.store.files import atomic_directory, locked, read_json, remove, sha256_file, write_json
from mtmd.store.workspace import file_digests

Tables = dict[str, pa.Table]  # of one day, by name
Days = Iterator[tuple[date, Tables]]
_PATIENCE_S = 3600.0  # of a second command, while the first one writes its tables
_NEW = ".new"  # folder in which tables are written before they replace others


class TaughtLogs(Frozen):
    """Logs with scores of fitted teachers: what was read, and how the teachers predict actions that are new to them."""

    logs: str
    reused: bool = Field(False, description="the same logs were there, complete; nothing was written")
    only_taught: tuple[date, ...] = Field(
        description="days before there was enough to learn from: read, not written"
    )
    days: tuple[date, ...] = Field(description="days that were written")
    candidates: int = Field(description="of the days that were written")
    members: int = Field(description="teachers in each score")
    tasks: tuple[TaskQuality, ...]


def written_once(
    logs: Path,
    marker: str,
    identity: str,
    make: Callable[[], tuple[TaughtLogs, Days]],
    on_progress: Callable[[str], None] = lambda _: None,
) -> TaughtLogs:
    """The report of the writing with this identity, which may have been there before, complete.

    `make` gives the report and the days with their tables; once all are written, they replace those that are there.
    What else the folder has, stays. Raises LogsError for a folder with tables that no writing with this marker made,
    and what `make` and its days raise: the folder is then as it was.
    """
    if not (logs / marker).is_file() and (tables := [t for t in TABLES if (logs / t).exists()]):
        raise LogsError(
            f"{logs} holds {tables} without {marker}, so this command did not write them; choose an empty folder"
        )
    if (known := _complete(logs, marker, identity)) is not None:
        on_progress(f"{logs} has these logs already: nothing was written")
        return known.model_copy(update={"reused": True, "logs": str(logs)})  # they may have been moved
    report, days = make()
    with locked(logs / ".lock", _PATIENCE_S):
        remove(new := logs / _NEW)  # of a writing that was killed
        with atomic_directory(new) as folder:
            for day, content in days:
                for table, rows in content.items():
                    (place := day_directory(folder, table, day)).mkdir(parents=True)
                    pq.write_table(rows, place / "part-0.parquet")
        found = {"identity": identity, "report": report.model_dump(mode="json"), "files": file_digests(new)}
        write_json(logs / marker, {"identity": None})  # until the tables are whole again
        for table in TABLES:
            remove(logs / table)
            (new / table).rename(logs / table)
        remove(new)
        write_json(logs / marker, found, seal=True)
    on_progress(f"{logs} has {len(report.days)} days from {report.days[0]} to {report.days[-1]}")
    return report


def _complete(logs: Path, marker: str, identity: str) -> TaughtLogs | None:
    """The report of this very writing, where its files are as it left them."""
    try:
        content: dict[str, Any] = read_json(logs / marker)
        files: dict[str, str] = content["files"]
        if content["identity"] == identity and all(
            sha256_file(logs / path) == sha for path, sha in files.items()
        ):
            return TaughtLogs.model_validate(content["report"])
    except (StorageError, OSError, KeyError, TypeError, ValueError, AttributeError):
        pass  # damaged, or of another version
    return None
