"""Whether a file's columns can be read as the declared ones, and the SQL that reads them so: one place for all readers.

A column of another type is read with a cast where the declared type can hold its values, rounded to float32 at most.
Every other difference is a problem, because DuckDB itself would cast, fill and drop columns without a word.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mtmd.logs.contract import ID_COLUMNS, read_text_id_sql
from mtmd.logs.sql import quoted

_SMALL = "U?(TINYINT|SMALLINT)"
_READABLE = {  # of each declared type, the types that are cast to it
    "INTEGER": _SMALL,
    "BIGINT": rf"{_SMALL}|U?INTEGER",
    "FLOAT": rf"{_SMALL}|U?INTEGER|BIGINT|DOUBLE|DECIMAL\(\d+,\d+\)",
    "DOUBLE": rf"{_SMALL}|U?INTEGER|BIGINT|FLOAT|DECIMAL\(\d+,\d+\)",
    "TIMESTAMP": "TIMESTAMP_(S|MS|NS)|TIMESTAMP WITH TIME ZONE|TIMESTAMPTZ_NS",
    "VARCHAR": r"UUID|ENUM\(.*\)",
    "FLOAT[]": r"DOUBLE\[\]|(FLOAT|DOUBLE)\[\d+\]",
    "INTEGER[]": rf"({_SMALL})\[\]|INTEGER\[\d+\]",
    "BIGINT[]": rf"({_SMALL}|U?INTEGER)\[\]|(INTEGER|BIGINT)\[\d+\]",
    "VARCHAR[]": r"VARCHAR\[\d+\]|ENUM\(.*\)\[\d*\]",
}
# of a time as text, behind its minutes or seconds: +01:00, Z, Europe/Berlin
TIME_OFFSET = r":\d{2}(\.\d+)?\s*([+-]\d{1,2}(:?\d{2}){0,2}|[A-Za-z][\w/+-]*)\s*$"


class ColumnProblem(NamedTuple):
    """Why a column can't be read as declared."""

    column: str
    problem: str


def column_problems(
    declared: Mapping[str, str],
    found: Mapping[str, str],
    *,
    optional: frozenset[str] = frozenset(),
    ignore_undeclared: bool = False,
) -> Iterator[ColumnProblem]:
    """What keeps a file with the columns `found` from being read as `declared`; nothing where it can be read.

    Both are DuckDB types by column. `optional` columns may be missing; `ignore_undeclared` lets others be there.
    """
    for column, kind in declared.items():
        if column not in found and column not in optional:
            yield ColumnProblem(column, f"missing; must be {kind}")
    for column, kind in found.items():
        if column not in declared and not ignore_undeclared:
            yield ColumnProblem(column, f"not declared; is {kind}")
    for column, kind in declared.items():
        if column in found and not _is_readable(found[column], kind):
            yield ColumnProblem(column, f"is {found[column]}; must be {kind}")


def select_declared(table: str, declared: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The select list that gives the declared columns, in their order, of a statement that gives `found`.

    Columns that have no problem only; a missing one is null. `table` is named where a value is no id.
    """
    return ", ".join(
        _read_as(table, column, found.get(column), kind) + f" as {quoted(column)}"
        for column, kind in declared.items()
    )


def text_time_sql(text: str) -> str:
    """The SQL that reads text as a TIMESTAMP, or raises DuckDB's error; a cast alone would leave out its offset."""
    in_utc = f"make_timestamp(epoch_us(cast({text} as timestamptz)))"
    return (
        f"case when regexp_matches({text}, '{TIME_OFFSET}') then {in_utc} else cast({text} as timestamp) end"
    )


def _is_readable(found: str, declared: str) -> bool:
    """Whether a column of one DuckDB type is read as another without loss, or rounded."""
    return found == declared or re.fullmatch(_READABLE.get(declared, ""), found, re.DOTALL) is not None


def _read_as(table: str, column: str, found: str | None, declared: str) -> str:
    name = quoted(column)
    if found is None:
        return f"cast(null as {declared})"
    if declared == "VARCHAR" and column in ID_COLUMNS.get(table, {}):
        return read_text_id_sql(f"{table}.{column}", name)
    if found == declared:
        return name
    if declared == "TIMESTAMP":  # a plain cast would use the session's zone, and round up into the next day
        return f"make_timestamp({f'epoch_ns({name}) // 1000' if found == 'TIMESTAMPTZ_NS' else f'epoch_us({name})'})"
    return f"cast({name} as {declared})"
