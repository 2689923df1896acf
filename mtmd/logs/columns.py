"""Whether a file's columns can be read as the declared ones, and the SQL that reads them so: one place for all readers.

A column of another type is read with a cast where the declared type can hold its values, rounded to float32 at most.
Every other difference is a problem, because DuckDB itself would cast, fill and drop columns without a word.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mtmd.logs.contract import ID_COLUMNS, read_text_id_sql
from mtmd.logs.sql import quoted, sql_name

TEXT = "text of a CSV file"  # what a VARCHAR of a CSV file is: any type's values are written as text there
_SMALL = "U?(TINYINT|SMALLINT)"
_READABLE = {  # of each declared type, the types that are cast to it; values may be compared with _EXACT_TO
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
_EXACT_TO = {  # of each declared type, types of whole numbers, and up to where it has every one of them
    "FLOAT": (("INTEGER", "UINTEGER", "BIGINT"), 2**24),
    "DOUBLE": (("BIGINT",), 2**53),
}
# of a time as text, behind its minutes or seconds: +01:00, Z, Europe/Berlin
_OFFSET = r":\d{2}(\.\d+)?\s*([+-]\d{1,2}(:?\d{2}){0,2}|[A-Za-z][\w/+-]*)\s*$"
_WHOLE_AS_TEXT = {  # texts of whole numbers: a cast alone rounds fractions
    "INTEGER": r"\s*[+-]?\d+(\.0*)?\s*",
    "BIGINT": r"\s*[+-]?\d+(\.0*)?\s*",
    "INTEGER[]": r"\s*\[[^.eE]*\]\s*",
    "BIGINT[]": r"\s*\[[^.eE]*\]\s*",
}


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
            yield ColumnProblem(
                column, f"is {found[column]}; must be {kind}: cast({sql_name(column)} as {kind})"
            )


def select_declared(table: str, declared: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The select list that gives the declared columns, in their order, of a statement that gives `found`.

    Columns that have no problem only; a missing one is null. `table` is named where a value has no place in its type,
    or is no id.
    """
    return ", ".join(
        _read_as(table, column, found.get(column), kind) + f" as {quoted(column)}"
        for column, kind in declared.items()
    )


def _is_readable(found: str, declared: str) -> bool:
    """Whether a column of one DuckDB type is read as another without loss, or with a check of each value."""
    pattern = _READABLE.get(declared, "")
    return found in (declared, TEXT) or re.fullmatch(pattern, found, re.DOTALL) is not None


def _read_as(table: str, column: str, found: str | None, declared: str) -> str:
    name = quoted(column)
    if found is None:
        return f"cast(null as {declared})"
    if declared == "VARCHAR" and column in ID_COLUMNS.get(table, {}):
        return read_text_id_sql(f"{table}.{column}", name)
    if found == declared:
        return name
    return text_as(column, declared) if found == TEXT else _cast(table, column, found, declared)


def _cast(table: str, column: str, found: str, declared: str) -> str:
    """A plain cast of a time would use the session's zone, and round nanoseconds up into the next day."""
    name = quoted(column)
    if declared == "TIMESTAMP":
        microseconds = f"epoch_ns({name}) // 1000" if found == "TIMESTAMPTZ_NS" else f"epoch_us({name})"
        return f"make_timestamp({microseconds})"
    kinds, limit = _EXACT_TO.get(declared, ((), 0))
    if found not in kinds:
        return f"cast({name} as {declared})"
    words = (
        f"', but {declared} has every whole number only up to {limit}: declare {found}, or cast it yourself'"
    )
    return (
        f"case when {name} is null or {name} between -{limit} and {limit} then cast({name} as {declared}) "
        f"else error(concat('{table}.{column} is {found} and has the value ', {name}, {words})) end"
    )


def text_as(column: str, declared: str) -> str:
    """The SQL that reads a CSV file's text as a declared type, or raises DuckDB's error.

    A cast alone would leave out a time's offset, round a fraction to a whole number, and make 1e60 infinite.
    """
    name = quoted(column)
    if declared == "TIMESTAMP":
        in_utc = f"make_timestamp(epoch_us(cast({name} as timestamptz)))"
        return (
            f"case when regexp_matches({name}, '{_OFFSET}') then {in_utc} else cast({name} as timestamp) end"
        )
    if (pattern := _WHOLE_AS_TEXT.get(declared)) is not None:
        is_whole = f"{name} is null or regexp_full_match({name}, '{pattern}')"
        return f"cast(case when {is_whole} then {name} else {name} || ', no whole number' end as {declared})"
    return f"cast(cast({name} as double) as float)" if declared == "FLOAT" else f"cast({name} as {declared})"
