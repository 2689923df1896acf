"""The layout that logs have unless a preset says otherwise: `<logs>/<table>/date=YYYY-MM-DD/*.parquet`."""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

from mtmd.logs.contract import TABLES
from mtmd.logs.templates import DayTemplate
from mtmd.store.files import locked
from mtmd.store.stores import resolve

_PATIENCE_S = 24 * 3600  # while another command writes the same folder
_PATTERN = re.compile(r"([*?\[])")


def day_directory(logs: str | Path, table: str, day: date) -> Path:
    """Directory that holds one table's files of one day."""
    return resolve(logs) / table / f"date={day.isoformat()}"


def day_files(logs: str | Path, table: str, day: date) -> list[Path]:
    """The Parquet files of one table and day, in name order.

    Raises LogsError naming the table, the day and the directory when there are none.
    """
    return _layout(logs, table).files(table, day)


def available_days(logs: str | Path) -> tuple[date, ...]:
    """Days for which all three tables have a directory, oldest first.

    Raises LogsError naming a directory whose date is no day of the calendar.
    """
    return tuple(sorted(set.intersection(*(_layout(logs, table).days() for table in TABLES))))


def duckdb_paths(files: Iterable[Path]) -> list[str]:
    """Paths for DuckDB's readers, which take each for a pattern: `*`, `?` and `[` stand for themselves."""
    return [_PATTERN.sub(r"[\1]", str(file)) for file in files]


def alone(logs: Path) -> AbstractContextManager[None]:
    """Hold the lock of whoever writes a folder of logs, since two would mix their days; waits for another one.

    It lies in the folder: the one above may be another machine's, or root's, as above a container's volume. So a folder
    that is not to be written is found out before.
    """
    return locked(logs / ".lock", _PATIENCE_S)


def _layout(logs: str | Path, table: str) -> DayTemplate[Path]:
    return DayTemplate(resolve(logs), f"{table}/date={{day}}/*.parquet")
