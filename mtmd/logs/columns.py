"""Whether a file's columns can be read as the declared ones, and the SQL that reads them so: one place for all readers.

A column of another type is read with a cast where the declared type can hold its values, rounded to float32 at most.
Every other difference is a problem, because DuckDB itself would cast, fill and drop columns without a word.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mtmd.logs.contract import ID_COLUMNS
from mtmd.logs.ids import held_as, read_id_sql
from mtmd.logs.sql import quoted, sql_name

_SMALL = ("TINYINT", "UTINYINT", "SMALLINT", "USMALLINT")
_WIDENED = {  # of each declared type, the types that are cast to it whatever their values are
    "INTEGER": _SMALL,
    "BIGINT": (*_SMALL, "INTEGER", "UINTEGER"),
    "FLOAT": (*_SMALL, "DOUBLE"),
    "DOUBLE": (*_SMALL, "INTEGER", "UINTEGER", "FLOAT"),
    "TIMESTAMP": (
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMPTZ_NS",
    ),
    "FLOAT[]": ("DOUBLE[]",),
    "UUID": ("VARCHAR",),
    "VARCHAR": ("UUID",),
    "INTEGER[]": tuple(f"{kind}[]" for kind in _SMALL),
    "BIGINT[]": tuple(f"{kind}[]" for kind in (*_SMALL, "INTEGER", "UINTEGER")),
}
_PATTERNS = {  # the same, of types that are written with their parameters
    "FLOAT": re.compile(r"DECIMAL\(\d+,\d+\)"),
    "DOUBLE": re.compile(r"DECIMAL\(\d+,\d+\)"),
    "FLOAT[]": re.compile(r"(FLOAT|DOUBLE)\[\d+\]"),
    "INTEGER[]": re.compile(r"INTEGER\[\d+\]"),
    "BIGINT[]": re.compile(r"(INTEGER|BIGINT)\[\d+\]"),
    "VARCHAR": re.compile(r"ENUM\(.*\)", re.DOTALL),
    "VARCHAR[]": re.compile(r"VARCHAR\[\d+\]|ENUM\(.*\)\[\d*\]", re.DOTALL),
}
_EXACT_TO = {  # of each declared type, types of whole numbers, and up to where it has every one of them
    "FLOAT": (("INTEGER", "UINTEGER", "BIGINT"), 2**24),
    "DOUBLE": (("BIGINT",), 2**53),
}


TEXT = "text of a CSV file"  # what a VARCHAR of a CSV file is: any type's values are written as text there
# of a time as text, behind its minutes or seconds: +01:00, Z, Europe/Berlin
_OFFSET = r":\d{2}(\.\d+)?\s*([+-]\d{1,2}(:?\d{2}){0,2}|[A-Za-z][\w/+-]*)\s*$"


_WHOLE_NUMBER = r"\s*[+-]?\d+(\.0*)?\s*"
_LISTED = rf"({_WHOLE_NUMBER}|\s*\"{_WHOLE_NUMBER}\"\s*|\s*(?i:null)\s*)"
_WHOLE_NUMBERS = rf"\s*\[({_LISTED}(,{_LISTED})*|\s*)\]\s*"
_AS_TEXT = {  # of each type of whole numbers, the texts of its values
    "INTEGER": _WHOLE_NUMBER,
    "BIGINT": _WHOLE_NUMBER,
    "INTEGER[]": _WHOLE_NUMBERS,
    "BIGINT[]": _WHOLE_NUMBERS,
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
    missing = {name: kind for name, kind in declared.items() if name not in found and name not in optional}
    extra = {name: kind for name, kind in found.items() if name not in declared}
    for column, kind in missing.items():
        # One missing and one extra column of a type: most likely one column under another name.
        others = [other for other, other_kind in extra.items() if other_kind == kind]
        if len(others) == 1 and list(missing.values()).count(kind) == 1:
            yield ColumnProblem(
                column, f"missing; {others[0]} of the same type {kind} is there instead: renamed?"
            )
            del extra[others[0]]
        else:
            yield ColumnProblem(column, f"missing; must be {kind}")
    if not ignore_undeclared:
        for column, kind in extra.items():
            yield ColumnProblem(column, f"not declared; is {kind}")
    for column, kind in declared.items():
        if column in found and not is_readable(found[column], kind):
            remedy = _remedy(column, found[column], kind)
            yield ColumnProblem(column, f"is {found[column]}; must be {kind}: {remedy}")


def widened_columns(declared: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """The columns that are read with a cast, and from which type to which: `DOUBLE as FLOAT`."""
    return {
        column: f"{found[column]} as {kind}"
        for column, kind in declared.items()
        if found.get(column, kind) not in (kind, TEXT)
    }


def select_declared(table: str, declared: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The select list that gives the declared columns, in their order, of a statement that gives `found`.

    Columns that have no problem only; a missing one is null, and a UUID is its text. `table` is named where a value has
    no place in its type, or is no id.
    """
    return ", ".join(
        _read_as(table, column, found.get(column), kind) + f" as {quoted(column)}"
        for column, kind in declared.items()
    )


def is_readable(found: str, declared: str) -> bool:
    """Whether a column of one DuckDB type is read as another without loss, or with a check of each value."""
    pattern = _PATTERNS.get(declared)
    return (
        found in (declared, TEXT)
        or found in _WIDENED.get(declared, ())
        or _exact_to(found, declared) is not None
        or (pattern is not None and pattern.fullmatch(found) is not None)
    )


def is_checked_text(table: str, column: str, declared: str) -> bool:
    """Whether each value of a column is compared with the rule of its type, in `ID_RULES`: text ids, and any UUID."""
    return declared == "UUID" or (declared == "VARCHAR" and column in ID_COLUMNS.get(table, {}))


def _exact_to(found: str, declared: str) -> int | None:
    """The size up to which the declared type has every whole number, where `found` goes beyond it."""
    kinds, limit = _EXACT_TO.get(declared, ((), 0))
    return limit if found in kinds else None


def _read_as(table: str, column: str, found: str | None, declared: str) -> str:
    name = quoted(column)
    if found is None:
        return f"cast(null as {held_as(declared)})"
    if is_checked_text(table, column, declared):
        return read_id_sql(f"{table}.{column}", name, declared)
    if found == declared:
        return name
    return text_as(column, declared) if found == TEXT else _cast(table, column, found, declared)


def _cast(table: str, column: str, found: str, declared: str) -> str:
    name = quoted(column)
    if declared == "TIMESTAMP":
        return _in_utc(name, found)
    if (limit := _exact_to(found, declared)) is not None:
        words = f"', but {declared} has every whole number only up to {limit}: declare {found}, or cast it yourself'"
        return (
            f"case when {name} is null or {name} between -{limit} and {limit} then cast({name} as {declared}) "
            f"else error(concat('{table}.{column} is {found} and has the value ', {name}, {words})) end"
        )
    return f"cast({name} as {declared})"


def _in_utc(name: str, found: str) -> str:
    """A cast would use the session's time zone, and round nanoseconds up: the last ones into the next day."""
    microseconds = f"epoch_ns({name}) // 1000" if found == "TIMESTAMPTZ_NS" else f"epoch_us({name})"
    return f"make_timestamp({microseconds})"


def _has_offset(column: str) -> str:
    """The SQL that says whether a time as text ends in its offset, or in the name of its zone."""
    return f"regexp_matches({quoted(column)}, '{_OFFSET}')"


def text_as(column: str, declared: str) -> str:
    """The SQL that reads a CSV file's text as a declared type, or raises DuckDB's error.

    A cast alone would leave out a time's offset, round a fraction to a whole number, and make 1e60 infinite.
    """
    name = quoted(column)
    if declared == "TIMESTAMP":
        in_utc = f"make_timestamp(epoch_us(cast({name} as timestamptz)))"
        return f"case when {_has_offset(column)} then {in_utc} else cast({name} as timestamp) end"
    if (pattern := _AS_TEXT.get(declared)) is not None:
        is_whole = f"{name} is null or regexp_full_match({name}, '{pattern}')"
        return f"cast(case when {is_whole} then {name} else {name} || ', no whole number' end as {declared})"
    return f"cast(cast({name} as double) as float)" if declared == "FLOAT" else f"cast({name} as {declared})"


def cast_sql(value: str, found: str, declared: str) -> str:
    """The SQL that gives a value of another type, for a statement of the team's own.

    Some writers do not say that their bytes are text; a cast writes \\xC3 for a letter beyond ASCII. pandas holds whole
    numbers with gaps as fractions; a cast writes 12.0, and 12 on a day without gaps.
    """
    if found in {"FLOAT", "DOUBLE"} and declared.upper() == "VARCHAR":
        return f"regexp_replace(cast({value} as {declared}), '\\.0$', '')"
    if found == "BLOB":
        return f"decode({value})" if declared.upper() == "VARCHAR" else f"cast(decode({value}) as {declared})"
    if found == "BLOB[]":
        value = f"list_transform({value}, lambda one: decode(one))"
        return value if declared.upper() == "VARCHAR[]" else f"cast({value} as {declared})"
    return f"cast({value} as {declared})"


def time_sql(value: str, found: str) -> tuple[str, str] | None:
    """The SQL that gives a TIMESTAMP of numbers or text, and when it is right, with what is right otherwise.

    A cast would leave out the zone of a text, and takes no number. None for other types.
    """
    if found.endswith("]"):
        return None
    if found.endswith(("INT", "INTEGER")):
        value = value if found in {"BIGINT", "INTEGER"} else f"cast({value} as bigint)"
        where = f"where it counts microseconds, make_timestamp_ms({value}) milliseconds"
        return f"make_timestamp({value})", where
    if found.startswith(("FLOAT", "DOUBLE", "DECIMAL")):
        value = value if found == "DOUBLE" else f"cast({value} as double)"
        return f"make_timestamp(cast({value} * 1000000 as bigint))", "where it counts seconds"
    if found in {"VARCHAR", "BLOB"}:
        value = value if found == "VARCHAR" else f"decode({value})"
        in_utc = f"make_timestamp(epoch_us(cast({value} as timestamptz)))"
        return f"cast({value} as timestamp)", f"where it has no zone, {in_utc} where it has one"
    return None


def _remedy(column: str, found: str, declared: str) -> str:
    value = sql_name(column)
    if declared == "TIMESTAMP" and (time := time_sql(value, found)) is not None:
        return " ".join(time)
    if found == f"{declared}[]" and declared != "FLOAT[]":  # which is a vector as often as a list of weights
        return f"flatten({value})"
    return cast_sql(value, found, declared)
