"""Whether each table has the declared columns: of the day whose rows are read, and of the window's other days."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

import duckdb

from mtmd.config import Declarations, IdType
from mtmd.config.problems import nearest
from mtmd.errors import ConfigError, LogsError, StorageError
from mtmd.extract.blame import reading_error
from mtmd.logs.columns import cast_sql, column_problems, is_readable, time_sql
from mtmd.logs.contract import ID_COLUMNS, optional_columns, table_columns
from mtmd.logs.reading import Columns, file_columns
from mtmd.logs.source import LogSource
from mtmd.logs.sql import sql_name
from mtmd.project.findings import Finding, Part, counted, error, fact, stopped_by


class TableColumns:
    """The columns of one table's files, compared with the declared ones."""

    def __init__(self, connection: Any, source: LogSource, table: str, declarations: Declarations) -> None:
        self.table = table
        self.declared = table_columns(declarations)[table]
        self._connection, self._source, self._declarations = connection, source, declarations
        optional = optional_columns(declarations.domains) if table == "candidates" else frozenset()
        self._optional: frozenset[str] = optional

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
                return files, [stopped_by(Part.COLUMNS, self.table, self._blamed(path, day, wrong))]
            findings |= dict.fromkeys(self._wrong(files[path]))
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
            paths = self._source.day_files(self.table, day)
        except LogsError as wrong:
            yield wrong.problem
            return
        for path in paths:
            try:
                found = file_columns(self._connection, self._source, self.table, path, day)
            except duckdb.Error as wrong:
                yield f"{path.name} can't be read: {str(wrong).splitlines()[0]}"
                return
            for column, problem in column_problems(self.declared, found, optional=self._optional):
                yield f"{column} is {problem.removeprefix('is ')}"

    def _blamed(self, path: Path, day: date, wrong: Exception) -> LogsError | StorageError:
        return reading_error(self._connection, self._source, {self.table: [path]}, day, wrong, {})

    def _wrong(self, found: Columns) -> Iterator[Finding]:
        for column, problem in column_problems(self.declared, found, optional=self._optional):
            kind, there = self.declared.get(column), found.get(column)
            if kind is None:
                remedy = f"select * exclude ({sql_name(column)}); or declare it as a feature or a label in the preset"
            elif there is None:
                remedy = self._missing(column, kind, found)
            else:
                remedy = self._retyped(column, kind, there)
            text = problem.partition(": ")[0] if there and kind else problem
            yield error(Part.COLUMNS, f"{self.table}.{column}", text, remedy)

    def _missing(self, column: str, kind: str, found: Columns) -> str:
        near = nearest(column, [other for other in found if other not in self.declared])
        if near is not None:
            value, whether = _value(near, found[near], kind)
            select = f"select * exclude ({sql_name(near)}), {value} as {sql_name(column)}"
            return f"if {near} is it: {select}{whether}{self._other_ids(column, found[near])}"
        if self._is_feature(column):
            null = f"cast(null as {kind.lower()}) as {sql_name(column)}"
            return f"select it; where it is not known: {null}; or take the feature out of the preset"
        return f"select it as {sql_name(column)}: null in all rows does not do"

    def _retyped(self, column: str, kind: str, there: str) -> str:
        value, whether = _value(column, there, kind)
        remedy = f"select * replace ({value} as {sql_name(column)}){whether}{self._other_ids(column, there)}"
        if self._is_feature(column) and column not in ID_COLUMNS[self.table]:
            remedy += f'; or set type = "{there.removesuffix("[]")}" of the feature in the preset'
        return remedy

    def _other_ids(self, column: str, there: str) -> str:
        """What the preset has to say for a column of ids to be read as it is."""
        whose = ID_COLUMNS[self.table].get(column)
        kinds = [kind for kind in get_args(IdType) if is_readable(there, kind)]
        kind = there if there in kinds else next(iter(kinds), None)
        if whose is None or kind is None or is_readable(there, self.declared[column]):
            return ""
        feature = f', and type = "{kind}" of the feature' if self._is_feature(column) else ""
        return f'; or set {whose} = "{kind}" in [ids] of the preset{feature}'

    def _is_feature(self, column: str) -> bool:
        sides: Mapping[str, Any] = {"requests": self._declarations.query, "ads": self._declarations.item}
        return self.table in sides and column in sides[self.table].columns


def _value(column: str, there: str, kind: str) -> tuple[str, str]:
    """The SQL of a column's value in its declared type, and when it is right where the type does not say it."""
    name = sql_name(column)
    if is_readable(there, kind):
        return name, ""
    if kind == "TIMESTAMP" and (time := time_sql(name, there)) is not None:
        return time[0], f" {time[1]}"
    return cast_sql(name, there, kind.lower()), ""
