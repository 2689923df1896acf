"""`mtmd check`: what is wrong with a preset, its statements and a day of its logs, in one run of seconds.

Nothing is trained or stored, and neither torch nor great-expectations is loaded. The logs are read once the preset is
right, and rows once all columns are.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from pydantic import ValidationError

from mtmd.config import Declarations, Preset
from mtmd.config.base import Location, nearest, problems
from mtmd.config.preset_files import Said, preset_path, read_said, values_of
from mtmd.errors import ConfigError, LogsError, StorageError
from mtmd.expectations import day_expectations
from mtmd.extract.blame import reading_error
from mtmd.extract.database import Database, reading
from mtmd.logs.columns import ColumnProblem, column_problems
from mtmd.logs.contract import TABLES, optional_columns, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import MORE_MEMORY, Columns, file_columns
from mtmd.logs.source import LogSource
from mtmd.logs.sql import sql_name
from mtmd.project.findings import Finding, Level, Part, ProjectCheck, counted, error, fact, stopped_by
from mtmd.project.rows import check_cost, check_features, check_rows, stage, window_files
from mtmd.run import plan_window, training_days
from mtmd.store.files import scratch

_MOST_SHOWN = 5


class DaysCheck(NamedTuple):
    """What is wrong with the days; the held-out day and its files, if all are there; the window's days that are."""

    findings: list[Finding]
    as_of: date | None = None
    files: SourceFiles = {}  # noqa: RUF012 - nothing changes it
    window: Sequence[date] = ()


def check_project(name_or_path: str, *, logs: str | None = None, as_of: date | None = None) -> ProjectCheck:
    """Check a preset and its logs; the rows are those of `as_of`, by default the newest day that all tables have.

    Raises ConfigError where there is no such preset.
    """
    preset, findings = check_preset(name_or_path)
    if preset is not None:
        findings += _check_logs(preset, logs or preset.logs, as_of)
    order = list(Part)
    findings.sort(key=lambda finding: order.index(finding.part))
    return ProjectCheck(preset=name_or_path, findings=tuple(findings))


def check_preset(name_or_path: str) -> tuple[Preset | None, list[Finding]]:
    """The preset, and what is wrong with its file, its base and its values; None where a run could not read it.

    What sections ask of each other shows once each is right. Raises ConfigError where there is no such file.
    """
    path = preset_path(name_or_path)
    try:
        said = read_said(path)
        values = values_of(said)
        preset = Preset.model_validate(values)
        table_columns(preset.declarations)
    except ConfigError as wrong:
        return None, [stopped_by(Part.PRESET, str(path), wrong)]
    except ValidationError as wrong:
        return None, [
            error(Part.PRESET, str(_file_of(problem.path, said, path)), problem.text, problem.remedy)
            for problem in problems(wrong, values, Preset)
        ]
    try:
        day_expectations(preset)
    except ConfigError as wrong:  # without the team's own, all else can be checked
        finding = stopped_by(Part.PRESET, str(preset.expectations), wrong)
        return preset.model_copy(update={"expectations": None}), [finding]
    return preset, []


def _file_of(path: Location, said: dict[str, Any], file: Path) -> Path:
    """The file that says the value; the preset's own where none does."""
    entry: Any = said
    for part in path:
        entry = entry.get(part) if isinstance(entry, dict) else entry
    return entry.file if isinstance(entry, Said) else file


def _check_logs(preset: Preset, logs: str, as_of: date | None) -> Iterator[Finding]:
    with scratch() as folder:
        source = LogSource.of(preset, logs, folder / "spool")
        days = check_days(preset, source, as_of)
        yield from days.findings
        if days.as_of is None:
            return
        readable = source.readable(days.files, {"window": window_files(source, days.window)})
        with reading(readable) as connection:
            try:
                yield from _check_day(
                    Database(url="", connection=connection), preset, source, days, days.as_of
                )
            except duckdb.OutOfMemoryException as wrong:
                yield error(Part.ROWS, str(days.as_of), str(wrong).splitlines()[0], MORE_MEMORY)


def _check_day(
    database: Database, preset: Preset, source: LogSource, days: DaysCheck, day: date
) -> Iterator[Finding]:
    """Columns of all days; then rows and features of the held-out day, where its columns are right."""
    files: dict[str, dict[Path, Columns]] = {}
    right = True
    for table in TABLES:
        columns = TableColumns(database.connection, source, table, preset.declarations)
        files[table], findings = columns.of_files(days.files[table], day)
        yield from findings
        if any(finding.level is Level.ERROR for finding in findings):
            right = False
        else:
            yield from columns.of_other_days(days.window)
    if not right:
        return
    try:
        stage(database, source, files, day, preset)
    except (ConfigError, LogsError, StorageError) as wrong:
        own = isinstance(wrong, ConfigError)  # an expectation of the team's
        yield stopped_by(Part.ROWS, str(preset.expectations) if own else str(day), wrong)
        return
    yield from check_rows(database, preset)
    yield from check_features(database, preset)
    yield from check_cost(database, source, (*days.window, day))


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


class TableColumns:
    """The columns of one table's files, compared with the declared ones."""

    def __init__(self, connection: Any, source: LogSource, table: str, declarations: Declarations) -> None:
        self.table = table
        self.declared = table_columns(declarations)[table]
        self._connection, self._source = connection, source
        self._optional: frozenset[str] = frozenset()
        if table == "candidates":
            self._optional = optional_columns(declarations.domains)

    def of_files(self, paths: Sequence[Path], day: date) -> tuple[dict[Path, Columns], list[Finding]]:
        """What the statement gives of each file of a day, and what a run would refuse."""
        files: dict[Path, Columns] = {}
        findings: dict[Finding, None] = {}
        for path in paths:
            try:
                files[path] = file_columns(self._connection, self._source, self.table, path, day)
            except ConfigError as wrong:
                return files, [stopped_by(Part.COLUMNS, f"source_{self.table}.sql", wrong)]
            except duckdb.Error as wrong:
                blamed = reading_error(self._connection, self._source, {self.table: [path]}, day, wrong, {})
                return files, [stopped_by(Part.COLUMNS, self.table, blamed)]
            findings |= dict.fromkeys(self._finding(one, files[path]) for one in self._problems(files[path]))
        if not findings:
            present = sum(name in next(iter(files.values())) for name in self.declared)
            return files, [fact(Part.COLUMNS, self.table, f"{present} columns, as declared")]
        return files, list(findings)

    def of_other_days(self, days: Sequence[date]) -> Iterator[Finding]:
        """One finding for each difference from the declared columns, with the days that have it; no row is read."""
        if self._source.is_remote(self.table):
            return  # a remote table has the same columns on all days; a bucket's are not fetched for this
        found: dict[str, list[date]] = {}
        for day in days:
            for words in dict.fromkeys(self._differences(day)):
                found.setdefault(words, []).append(day)
        for words, having in found.items():
            text = f"{counted(len(having), 'earlier day')}, {having[0]} first: {words}"
            remedy = "deliver them again, or let the statement make them alike; a run stops at such a day"
            yield error(Part.COLUMNS, self.table, text, remedy)

    def _differences(self, day: date) -> Iterator[str]:
        try:
            for path in self._source.day_files(self.table, day):
                found = file_columns(self._connection, self._source, self.table, path, day)
                yield from (f"{one.column}: {one.problem}" for one in self._problems(found))
        except LogsError as wrong:
            yield wrong.problem
        except duckdb.Error as wrong:
            yield f"{path.name} can't be read: {str(wrong).splitlines()[0]}"

    def _problems(self, found: Columns) -> Iterator[ColumnProblem]:
        return column_problems(self.declared, found, optional=self._optional)

    def _finding(self, one: ColumnProblem, found: Columns) -> Finding:
        """A problem with what mends it, in the statement or in the preset."""
        column, (text, _, sql) = sql_name(one.column), one.problem.partition(": ")
        if one.column not in self.declared:
            remedy = f"select * exclude ({column}); or declare it as a feature or a label in the preset"
        elif one.column in found:
            remedy = f"select it as {column}: {sql}; or set its type in the preset to {found[one.column]}"
        else:
            near = nearest(one.column, [other for other in found if other not in self.declared])
            remedy = f"select it as {column}" + (f"; {near} may be it" if near else "")
        return error(Part.COLUMNS, f"{self.table}.{one.column}", text, remedy)
