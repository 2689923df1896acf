"""A folder of logs that a command of ours writes whole, once.

A marker in the folder names what the logs were made of. They are complete once the command's report is in it, with the
digest of each file. Day directories are atomic.
"""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.config import Frozen
from mtmd.errors import LogsError, StorageError
from mtmd.logs.contract import TABLES
from mtmd.logs.places import alone, day_directory
from mtmd.store.files import atomic_directory, read_json, remove, sha256_file, sweep, write_json
from mtmd.store.workspace import file_digests

Days = Iterator[tuple[date, dict[str, pa.Table]]]
Report = TypeVar("Report", bound=Frozen)


def written_once(
    logs: Path,
    marker: str,
    identity: str,
    kind: type[Report],
    make: Callable[[], tuple[Report, Days]],
) -> tuple[Report, bool]:
    """The report of the writing with this identity, and whether it was there before, complete.

    `make` gives the report and the days with their tables. What the folder had is removed before the first day. Two
    writers of one folder wait for each other. Raises LogsError for a folder with tables that no writing with this
    marker made, and what `make` and its days raise: the folder is then as it was, or empty.
    """
    if not (logs / marker).is_file() and (tables := [t for t in TABLES if (logs / t).exists()]):
        raise LogsError(
            f"{logs} holds {tables} without {marker}, so this command did not write them; choose an empty folder"
        )
    with alone(logs):
        if (known := _complete(logs, marker, identity, kind)) is not None:
            return known, True
        report, days = make()
        _begin(logs, marker)
        try:
            for day, content in days:
                for table, rows in content.items():
                    with atomic_directory(day_directory(logs, table, day)) as directory:
                        pq.write_table(rows, directory / "part-0.parquet")
        except BaseException:
            _begin(logs, marker)
            raise
        files = {
            f"{table}/{path}": sha for table in TABLES for path, sha in file_digests(logs / table).items()
        }
        found = {"identity": identity, "report": report.model_dump(mode="json"), "files": files}
        write_json(logs / marker, found, seal=True)
        return report, False


def _complete(logs: Path, marker: str, identity: str, kind: type[Report]) -> Report | None:
    """The report of this very writing, where it finished and its files are as it left them."""
    try:
        content: dict[str, Any] = read_json(logs / marker)
        if content["identity"] == identity and all(
            sha256_file(logs / path) == sha256 for path, sha256 in content["files"].items()
        ):
            return kind.model_validate(content["report"])
    except (StorageError, OSError, KeyError, TypeError, ValueError):
        pass  # unfinished, damaged, or of another version
    return None


def _begin(logs: Path, marker: str) -> None:
    """Remove the days that are there, and mark the logs as unfinished."""
    write_json(logs / marker, {"identity": None})
    for table in TABLES:
        remove(logs / table)
    sweep(logs)
