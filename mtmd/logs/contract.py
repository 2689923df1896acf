"""The log contract: three day-partitioned tables, their columns and DuckDB types, and ids (docs/log-contract.md).

    type of id  in the logs                             in Python and JSON      in numpy
    BIGINT      BIGINT, or a narrower integer           a number                int64
    VARCHAR     a UUID, or text of 1 to 128 characters  the text, unchanged     bytes, in UTF-8

Text has no NUL, so numpy, which pads with NULs, keeps it; and both numpy and DuckDB sort it by its bytes. A shard has a
number of eight bytes in place of each text: `id_number`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.config import Declarations, Domains, IdsConfig, IdType, SideSchema
from mtmd.errors import ConfigError

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
_LABELS = {name for name, kind in OUTCOMES.items() if kind == "BOOLEAN"}
# what validation's queries of candidates have, too: from the other tables, and the number of rows
_TAKEN = {*CANDIDATE_KEYS, *OUTCOMES, "surface", "product", "request_known", "ad_known", "candidates"}


def table_columns(declarations: Declarations) -> dict[str, dict[str, str]]:
    """Columns and DuckDB types of each table, as they are read; order carries no meaning.

    Some columns may be missing: `optional_columns`. Files may have narrower types: `mtmd/logs/columns.py`. A feature
    declared on a contract column (`user_id`, `goal`, …) adds no column. Raises ConfigError when its type is another
    one, and when a task's name or label is a column of something else.
    """
    domains = declarations.domains
    for task in domains.tasks:
        if task.name in _TAKEN or task.label in (_TAKEN - _LABELS) | {*domains.task_names}:
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
    """Columns of `candidates` that logs may lack: the contract's outcomes that are no task's label.

    A missing one is read as nulls. `impressed` is always needed, because labels are defined for shown ads only.
    """
    return frozenset(OUTCOMES) - {"impressed"} - {task.label for task in domains.tasks}


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
