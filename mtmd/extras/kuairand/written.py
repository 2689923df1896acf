"""A folder of logs that a command of ours writes whole, once; a marker in it names what the logs were made of."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.config import Frozen
from mtmd.errors import LogsError, StorageError
from mtmd.logs.contract import TABLES
from mtmd.logs.places import day_directory
from mtmd.store.files import atomic_directory, read_json, remove, sha256_file, write_json
from mtmd.store.workspace import file_digests

Days = Iterator[tuple[date, dict[str, pa.Table]]]
Report = TypeVar("Report", bound=Frozen)
_NEW = ".new"  # folder in which tables are written before they replace others


def written_once(
    logs: Path,
    marker: str,
    identity: str,
    kind: type[Report],
    make: Callable[[], tuple[Report, Days]],
) -> tuple[Report, bool]:
    """The report of the writing with this identity, and whether it was there before, complete.

    `make` gives the report and the days with their tables; once all are written, they replace those that are there.
    What else the folder has, stays. Raises LogsError for a folder with tables that no writing with this marker made,
    and what `make` and its days raise: the folder is then as it was.
    """
    if not (logs / marker).is_file() and (tables := [t for t in TABLES if (logs / t).exists()]):
        raise LogsError(
            f"{logs} holds {tables} without {marker}, so this command did not write them; choose an empty folder"
        )
    if (known := _complete(logs, marker, identity, kind)) is not None:
        return known, True
    report, days = make()
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
    return report, False


def _complete(logs: Path, marker: str, identity: str, kind: type[Report]) -> Report | None:
    """The report of this very writing, where its files are as it left them."""
    try:
        content: dict[str, Any] = read_json(logs / marker)
        files: dict[str, str] = content["files"]
        if content["identity"] == identity and all(
            sha256_file(logs / path) == sha for path, sha in files.items()
        ):
            return kind.model_validate(content["report"])
    except (StorageError, OSError, KeyError, TypeError, ValueError, AttributeError):
        pass  # damaged, or of another version
    return None
