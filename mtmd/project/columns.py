"""Whether each table has the declared columns: of the day whose rows are read, and of the window's other days."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from mtmd.config import Declarations
from mtmd.config.problems import nearest
from mtmd.errors import ConfigError, LogsError
from mtmd.extract.blame import reading_error
from mtmd.logs.columns import ColumnProblem, column_problems
from mtmd.logs.contract import optional_columns, table_columns
from mtmd.logs.reading import Columns, file_columns
from mtmd.logs.source import LogSource
from mtmd.logs.sql import sql_name
from mtmd.project.findings import Finding, Part, counted, error, fact, stopped_by


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
