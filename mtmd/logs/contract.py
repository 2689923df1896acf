"""The log contract: three day-partitioned tables, their columns and DuckDB types, and ids (docs/log-contract.md).

    type of id  in the logs                             in Python and JSON      in numpy
    BIGINT      BIGINT, or a narrower integer           a number                int64
    VARCHAR     a UUID, or text of 1 to 128 characters  the text, unchanged     bytes, in UTF-8

Text has no NUL, so numpy, which pads with NULs, keeps it; and both numpy and DuckDB sort it by its bytes. A shard has a
number of eight bytes in place of each text: `id_number`.

A column of another type is read with a cast where the declared type can hold its values, rounded to float32 at most.
Every other difference is a problem, because DuckDB itself would cast, fill and drop columns without a word.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.config import Declarations, Domains, IdsConfig, IdType, SideSchema
from mtmd.errors import ConfigError
from mtmd.logs.sql import quoted

TABLES = ("requests", "ads", "candidates")

_REQUESTS = {"request_id": "BIGINT", "ts": "TIMESTAMP", "surface": "VARCHAR", "user_id": "BIGINT"}
_ADS = {"ad_id": "BIGINT", "product": "VARCHAR", "goal": "VARCHAR", "bid": "FLOAT"}
CANDIDATE_KEYS = {"request_id": "BIGINT", "ad_id": "BIGINT"}  # the types of keys and users are those of [ids]
ID_COLUMNS = {  # of each table, with the keys of [ids]
    "requests": {"request_id": "request", "user_id": "user"},
    "ads": {"ad_id": "ad"},
    "candidates": {"request_id": "request", "ad_id": "ad"},
}
OUTCOMES = {
    "impressed": "BOOLEAN",
    "position": "INTEGER",
    "clicked": "BOOLEAN",
    "good_clicked": "BOOLEAN",
    "outbound_clicked": "BOOLEAN",
    "hidden": "BOOLEAN",
    "repinned": "BOOLEAN",
}
SERVED_BY = "served_by"  # of candidates: the model_id whose score the row had; only the monitor reads it
_LABELS = {name for name, kind in OUTCOMES.items() if kind == "BOOLEAN"}
# what validation's queries of candidates have, too: from the other tables, and the number of rows
_TAKEN = {
    *CANDIDATE_KEYS,
    *OUTCOMES,
    "surface",
    "product",
    "request_known",
    "ad_known",
    "candidates",
    SERVED_BY,
}


def table_columns(declarations: Declarations) -> dict[str, dict[str, str]]:
    """Columns and DuckDB types of each table, as they are read; order carries no meaning.

    Some columns may be missing: `optional_columns`. Files may have narrower types: `mtmd/logs/contract.py`. A feature
    declared on a contract column (`user_id`, `goal`, …) adds no column. Raises ConfigError when its type is another
    one, and when a task's name or label is a column of something else.
    """
    domains = declarations.domains
    for task in domains.tasks:
        own = {task.label} if task.from_actions else set()  # whose name need not be a column of its own
        if task.name in _TAKEN - own or task.label in (_TAKEN - _LABELS) | {*domains.score_tasks}:
            raise ConfigError(
                f"task {task.name!r} with label {task.label!r}: logs or their checks have such a column already; "
                f"choose another name, and as label one of {sorted(_LABELS)} or a boolean column of your own"
            )
    ids = {table: id_types(table, declarations.ids) for table in TABLES}
    requests, ads = _REQUESTS | ids["requests"], _ADS | ids["ads"]
    return {
        "requests": _features("requests", declarations.query, requests) | requests,
        "ads": _features("ads", declarations.item, ads) | ads,
        "candidates": ids["candidates"]
        | dict.fromkeys(domains.task_names, "FLOAT")
        | outcome_columns(domains),
    }


def id_types(table: str, ids: IdsConfig) -> dict[str, IdType]:
    """The columns of a table that are ids, with their types."""
    return {column: getattr(ids, whose) for column, whose in ID_COLUMNS[table].items()}


def outcome_columns(domains: Domains) -> dict[str, str]:
    """Columns of `candidates` that say what happened: the contract's own, then the labels of tasks."""
    return OUTCOMES | dict.fromkeys((task.label for task in domains.tasks), "BOOLEAN")


def optional_columns(domains: Domains) -> frozenset[str]:
    """Columns of `candidates` that logs may lack: outcomes that are no task's label, scores that nothing learns from.

    A missing one is read as nulls. `impressed` is always needed, because labels are defined for shown ads only.
    """
    labels = {task.label for task in domains.tasks}
    return (frozenset({*OUTCOMES, SERVED_BY}) | domains.action_tasks.keys()) - {"impressed"} - labels


def _features(table: str, side: SideSchema, contract: dict[str, str]) -> dict[str, str]:
    for column, declared in side.columns.items():
        if (kind := contract.get(column, declared)) != declared:
            raise ConfigError(
                f"feature {column!r} has type {declared}, and the contract's {table}."
                f"{column} is {kind}; set its type to {kind}, or give the feature another name"
            )
    return side.columns


Id = int | str
LONGEST_ID = 128  # characters of a text: far more than any scheme of ids needs, and little for a million ads
_NUMBER_DIGITS = 16  # hexadecimal, of the md5 that a text's number is made of
_SHOWN = 40  # characters of a wrong value


def read_text_id_sql(place: str, value: str) -> str:
    """The SQL that reads a text id; a value that is none is an error, which names `place`. A null is null."""
    text = f"cast({value} as varchar)"
    wrong = f"{text} = '' or length({text}) > {LONGEST_ID} or contains({text}, chr(0))"
    shown = f"replace(left({text}, {_SHOWN}), chr(0), '\\0')"
    words = f"'{place} must have 1 to {LONGEST_ID} characters and no NUL, and has the value '''"
    return f"case when {wrong} then error(concat({words}, {shown}, '''')) else {text} end"


def id_array(ids: Sequence[Any], kind: IdType) -> NDArray[Any]:
    """Ids of a type as a numpy array: (n,) int64 or bytes."""
    if kind == "BIGINT":
        return np.array(ids, np.int64)
    return np.array([text.encode() for text in ids], np.bytes_)


def arrow_ids(ids: pa.Array) -> NDArray[Any]:
    """Ids that DuckDB has read as a numpy array: (n,) int64 or bytes."""
    if pa.types.is_integer(ids.type):
        numbers: NDArray[np.int64] = ids.to_numpy()
        return numbers
    return np.array(ids.cast(pa.large_binary()).to_pylist(), np.bytes_)


def id_list(ids: NDArray[Any]) -> list[Id]:
    """Ids of a numpy array as Python has them."""
    listed: list[Any] = ids.tolist()
    return [one.decode() for one in listed] if ids.dtype.kind == "S" else listed


def id_number(one: Id) -> int:
    """A number of 64 bits for an id: itself, or the first 8 bytes (big-endian) of a text's md5."""
    if isinstance(one, int):
        return one
    return int.from_bytes(hashlib.md5(one.encode(), usedforsecurity=False).digest()[:8], "big", signed=True)


def id_numbers(ids: pa.Array) -> NDArray[np.int64]:
    """The number of each id that DuckDB has read."""
    if pa.types.is_integer(ids.type):
        return np.asarray(ids, np.int64)
    return np.fromiter(map(id_number, ids.to_pylist()), np.int64, len(ids))


def has_number_sql(column: str, numbers: Sequence[int]) -> str:
    """A condition in SQL: whether a column of text ids has one of these numbers."""
    listed = ", ".join(f"'{number % 2**64:0{_NUMBER_DIGITS}x}'" for number in numbers)
    return f"left(md5({column}), {_NUMBER_DIGITS}) in ({listed})"


def example_id(number: int, kind: IdType) -> Id:
    """An id of a type, another one for each number."""
    return number if kind == "BIGINT" else str(number)


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
        if column not in declared and column not in optional and not ignore_undeclared:
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
