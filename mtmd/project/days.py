"""Which days the logs have, and whether a run finds the held-out day and its window there."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from mtmd.config import Preset
from mtmd.errors import ConfigError, LogsError, MtmdError, StorageError
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.project.findings import Finding, Part, counted, error, fact, warning
from mtmd.run import plan_window, training_days
from mtmd.store.files import resolve
from mtmd.store.objects import in_bucket

_MOST_SHOWN = 5


class DaysCheck(NamedTuple):
    """What is wrong with the days; the held-out day and its files, if all are there; the window's days that are."""

    findings: list[Finding]
    as_of: date | None
    files: SourceFiles
    window: list[date]


def check_days(preset: Preset, source: LogSource, as_of: date | None) -> DaysCheck:
    """The days of each table; then the files of `as_of`, by default the newest day that all tables have."""
    days: dict[str, set[date]] = {}
    findings = []
    for table in TABLES:
        try:
            days[table] = source.table_days(table)
        except (ConfigError, LogsError, StorageError) as wrong:
            findings.append(_unlisted(source, table, wrong))
    if findings:
        return DaysCheck(list(dict.fromkeys(findings)), None, {}, [])
    findings = [_of_table(table, days[table], source) for table in TABLES]
    common = set.intersection(*days.values())
    chosen = as_of or max(common, default=None)
    if chosen is None:
        if all(days.values()):
            findings.append(
                error(
                    Part.DAYS, str(source.root), "no day that all tables have", "deliver a day's three tables"
                )
            )
        return DaysCheck(findings, None, {}, [])
    findings += [*_gaps(preset, chosen, days), *_window(preset, chosen, days)]
    files, without = _files(source, chosen)
    window = sorted(set(plan_window(chosen, preset.window_days)) & common - preset.left_out.keys())
    complete = chosen in common and not without
    findings += [*without, *_not_as_listed(source, chosen, files)]
    return DaysCheck(findings, chosen if complete else None, files, window)


def window_files(source: LogSource, days: Iterable[date]) -> list[Path]:
    """All files of the days that have any; those of remote tables and buckets are not fetched for it."""
    tables = [table for table in TABLES if not source.is_remote(table)]
    return [path for day in days for paths in _files(source, day, tables)[0].values() for path in paths]


def _unlisted(source: LogSource, table: str, wrong: MtmdError) -> Finding:
    if source.is_remote(table):
        text, _, remedy = str(wrong).partition("; ")
        return error(Part.DAYS, table, text, remedy)
    return error(Part.DAYS, str(source.root), str(wrong), "correct the name, or the preset's logs")


def _of_table(table: str, days: set[date], source: LogSource) -> Finding:
    if not days and (said := source.said_place(table)) is not None:
        remedy = f"write the logs there, or correct {said}"
        return error(Part.DAYS, table, f"no day in {source.place(table)}", remedy)
    if not days and in_bucket(source.root):
        remedy = "write the logs there, or correct the preset's logs"
        return error(Part.DAYS, table, f"no day in {source.place(table)}", remedy)
    if not days:
        folder = resolve(source.root) / table
        missing = "the folder does not exist" if not folder.is_dir() else "no folder date=YYYY-MM-DD in it"
        return error(Part.DAYS, str(folder), missing, "write the logs there, or correct the preset's logs")
    return fact(Part.DAYS, table, f"{counted(len(days), 'day')}, {min(days)} to {max(days)}")


def _gaps(preset: Preset, as_of: date, days: dict[str, set[date]]) -> Iterator[Finding]:
    """Days that a table lacks between others, but for those of the window."""
    needed = {as_of, *plan_window(as_of, preset.window_days), *preset.left_out}
    for table in TABLES:
        first, last = min(days[table], default=as_of), max(days[table], default=as_of)
        between = {first + timedelta(days=n) for n in range((last - first).days)}
        if gaps := sorted(between - days[table] - needed):
            text = f"{counted(len(gaps), 'day')} missing between {first} and {last}: {_some(gaps)}"
            yield warning(Part.DAYS, table, text, "deliver them; no window that needs them can be trained on")


def _window(preset: Preset, as_of: date, days: dict[str, set[date]]) -> list[Finding]:
    """What `plan_run` would refuse, for each table."""
    findings = []
    try:
        wanted = training_days(preset, as_of, preset.window_days)
    except (ConfigError, LogsError) as wrong:
        text, _, remedy = str(wrong).rpartition("; " if isinstance(wrong, ConfigError) else ": ")
        findings.append(error(Part.DAYS, "left_out", text, remedy))
        wanted = plan_window(as_of, preset.window_days)
    for table in TABLES:
        if days[table] and as_of not in days[table]:
            findings.append(
                error(Part.DAYS, table, f"no day {as_of}, the held-out day", "deliver it, or say --as-of")
            )
        lacking = [day for day in wanted if day not in days[table]]
        if days[table] and lacking:
            text = f"lacks {len(lacking)} of the {len(wanted)} training days before {as_of}: {_some(lacking)}"
            remedy = "deliver them, say another --as-of, name them in [left_out], or shorten the window"
            findings.append(error(Part.DAYS, table, text, remedy))
    if not findings:
        text = f"{as_of} is held out, {len(wanted)} training days from {wanted[0]} on"
        findings.append(fact(Part.DAYS, "window", text))
    return findings


def _files(source: LogSource, day: date, tables: Iterable[str] = TABLES) -> tuple[SourceFiles, list[Finding]]:
    files: SourceFiles = {}
    findings = []
    for table in tables:
        try:
            files[table] = source.day_files(table, day)
        except (ConfigError, LogsError, StorageError) as wrong:
            files[table] = []
            if " does not exist; " not in str(wrong):  # that the folder is missing is said of the window
                text, _, remedy = str(wrong).partition("; ")
                findings.append(error(Part.DAYS, table, text, remedy))
    return files, findings


def _not_as_listed(source: LogSource, day: date, files: SourceFiles) -> Iterator[Finding]:
    """Files of the day that are not as the checksums beside them say."""
    for table in (table for table, paths in files.items() if paths):
        try:
            source.require_as_listed(table, day)
        except LogsError as wrong:
            text, _, remedy = str(wrong).rpartition("; ")
            yield error(Part.DAYS, table, text, remedy)


def _some(days: list[date]) -> str:
    more = f" and {len(days) - _MOST_SHOWN} more" if len(days) > _MOST_SHOWN else ""
    return ", ".join(map(str, days[:_MOST_SHOWN])) + more
