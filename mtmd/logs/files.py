"""Where the files of a day are: `<logs>/<table>/date=YYYY-MM-DD/*.parquet`."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES
from mtmd.store.files import resolve

_PARTITION = re.compile(r"^date=(\d{4}-\d{2}-\d{2})$")
_PATTERN = re.compile(r"([*?\[])")


def day_directory(logs: str | Path, table: str, day: date) -> Path:
    """Directory that holds one table's files of one day."""
    return resolve(logs) / table / f"date={day.isoformat()}"


def day_files(logs: str | Path, table: str, day: date) -> list[Path]:
    """The Parquet files of one table and day, in name order.

    Raises LogsError naming the table, the day and the directory when there are none.
    """
    directory = day_directory(logs, table, day)
    if not directory.is_dir():
        raise LogsError(
            f"{table} of {day}: {directory} does not exist; write the day's files there, then run again"
        )
    files = sorted(directory.glob("*.parquet"))
    if not files:
        raise LogsError(f"{table} of {day}: {directory} has no .parquet file; write the day's files there")
    return files


def source_files(logs: str | Path, day: date) -> dict[str, list[Path]]:
    """Each table's Parquet files of the day; raises LogsError naming the table that has none."""
    return {table: day_files(logs, table, day) for table in TABLES}


def duckdb_paths(files: Iterable[Path]) -> list[str]:
    """Paths for DuckDB's `read_parquet`, which takes each for a pattern: `*`, `?` and `[` stand for themselves."""
    return [_PATTERN.sub(r"[\1]", str(file)) for file in files]


def newest_day(logs: str | Path, table: str) -> date:
    """The newest day for which one table has a directory; raises LogsError where there is none."""
    days = table_days(logs, table)
    if not days:
        raise LogsError(f"{resolve(logs) / table} has no day of {table}; write one there, then run again")
    return max(days)


def available_days(logs: str | Path) -> tuple[date, ...]:
    """Days for which all three tables have a directory, oldest first.

    Raises LogsError naming a directory whose date is no day of the calendar.
    """
    return tuple(sorted(set.intersection(*(table_days(logs, table) for table in TABLES))))


def table_days(logs: str | Path, table: str) -> set[date]:
    """Days for which one table has a directory; raises LogsError as `available_days` does."""
    directories = (resolve(logs) / table).glob("date=*")
    return {_day(directory) for directory in directories if _PARTITION.match(directory.name)}


def _day(directory: Path) -> date:
    try:
        return date.fromisoformat(directory.name.removeprefix("date="))
    except ValueError:
        raise LogsError(f"{directory} is named after no day of the calendar; rename or remove it") from None
