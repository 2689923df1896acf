"""Which days the logs have, and whether a run finds the held-out day and its window there."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from mtmd.config import Preset
from mtmd.errors import ConfigError, LogsError, StorageError
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.project.findings import Finding, Part, counted, error, fact, stopped_by
from mtmd.run import plan_window, training_days

_MOST_SHOWN = 5


class DaysCheck(NamedTuple):
    """What is wrong with the days; the held-out day and its files, if all are there; the window's days that are."""

    findings: list[Finding]
    as_of: date | None = None
    files: SourceFiles = {}  # noqa: RUF012 - nothing changes it
    window: Sequence[date] = ()


def check_days(preset: Preset, source: LogSource, as_of: date | None) -> DaysCheck:
    """The days of each table; then the files of `as_of`, by default the newest day that all tables have."""
    try:
        days = {table: source.table_days(table) for table in TABLES}
    except (ConfigError, LogsError, StorageError) as wrong:
        return DaysCheck([stopped_by(Part.DAYS, str(source.root), wrong)])
    findings = [_of_table(table, days[table], source) for table in TABLES]
    common = set.intersection(*days.values())
    chosen = as_of or max(common, default=None)
    if chosen is None:
        if all(days.values()):
            text = "no day that all tables have"
            findings.append(error(Part.DAYS, str(source.root), text, "deliver a day's three tables"))
        return DaysCheck(findings)
    findings += _window(preset, chosen, days)
    window = sorted(set(plan_window(chosen, preset.window_days)) & common - preset.left_out.keys())
    files: SourceFiles = {}
    for table in TABLES if chosen in common else ():
        try:
            files[table] = source.day_files(table, chosen)
        except (ConfigError, LogsError, StorageError) as wrong:
            findings.append(stopped_by(Part.DAYS, table, wrong))
    return DaysCheck(findings, chosen if len(files) == len(TABLES) else None, files, window)


def window_files(source: LogSource, days: Iterable[date]) -> list[Path]:
    """All files of the days that have any; those of remote tables and buckets are not fetched for it."""
    tables = [table for table in TABLES if not source.is_remote(table)]
    there = [(table, day) for day in days for table in tables if source.has_day(table, day)]
    return [path for table, day in there for path in source.day_files(table, day)]


def _of_table(table: str, days: set[date], source: LogSource) -> Finding:
    if days:
        return fact(Part.DAYS, table, f"{counted(len(days), 'day')}, {min(days)} to {max(days)}")
    text = f"no day in {source.place(table)}"
    return error(
        Part.DAYS, table, text, f"write the logs there, or correct the preset's logs or [sources.{table}]"
    )


def _window(preset: Preset, as_of: date, days: dict[str, set[date]]) -> Iterator[Finding]:
    """What `plan_run` would refuse, for each table."""
    try:
        wanted = [*training_days(preset, as_of, preset.window_days), as_of]
    except (ConfigError, LogsError) as wrong:
        yield stopped_by(Part.DAYS, "left_out", wrong)
        return
    yield fact(
        Part.DAYS, "window", f"{as_of} is held out, {len(wanted) - 1} training days from {wanted[0]} on"
    )
    for table in (table for table in TABLES if days[table]):
        if lacking := [day for day in wanted if day not in days[table]]:
            more = f" and {len(lacking) - _MOST_SHOWN} more" if len(lacking) > _MOST_SHOWN else ""
            text = f"lacks {len(lacking)} of the {len(wanted)} days to {as_of}: "
            text += ", ".join(map(str, lacking[:_MOST_SHOWN])) + more
            remedy = "deliver them, say another --as-of, name them in [left_out], or shorten the window"
            yield error(Part.DAYS, table, text, remedy)
