"""Ids of requests, users and ads: which values are ids, and how the ids of each type are held.

    type     in the logs                             in Python and JSON      in numpy
    BIGINT   BIGINT, or a narrower integer           a number                int64
    VARCHAR  a UUID, or text of 1 to 128 characters  the text, unchanged     bytes, in UTF-8

Text has no NUL, so numpy, which pads with NULs, keeps it; and both numpy and DuckDB sort it by its bytes. A shard has a
number of eight bytes in place of each text: `id_number`.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.config import IdType

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


def is_id(value: Any, kind: IdType) -> bool:
    """Whether a value has the form of an id of a type."""
    if kind == "BIGINT":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_ID and "\0" not in value


def example_id(number: int, kind: IdType) -> Id:
    """An id of a type, another one for each number."""
    return number if kind == "BIGINT" else str(number)
