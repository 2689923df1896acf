"""How a raw row becomes a tower's input: one implementation for extraction and for serving (no skew).

N rows of one side become three matrices, in the order of the side's `SideSchema`:
continuous (N, C), categorical (N, K) and embedding (N, V), and the values of each list. Missing is NaN, 0, NaN and an
empty list: it stays missing until the model, which has a learned default for it.

A categorical value is hashed: the first 8 bytes (big-endian) of md5("<seed>/<feature>/<text>") in UTF-8,
modulo the feature's buckets, plus 1. The text is the string itself, an integer in decimal, or a UUID in lower case with
hyphens; also where the string is the text of a UUID and shares its table with UUIDs. The feature is
the one whose table is read: another one's, where `table` names it. Any language
with md5 can compute it; changing it makes every stored shard and bundle wrong, so a test pins its values.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import COMPANION_TYPES, Feature, SideSchema
from mtmd.config.features import Companion
from mtmd.errors import LogsError
from mtmd.logs.ids import canonical_uuid
from mtmd.logs.lists import EncodedList, encode_list

ARROW_TYPES = {  # of DuckDB's types
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "VARCHAR": pa.string(),
    "UUID": pa.string(),  # its text: mtmd/logs/ids.py
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "FLOAT[]": pa.list_(pa.float32()),
    "INTEGER[]": pa.list_(pa.int32()),
    "BIGINT[]": pa.list_(pa.int64()),
    "VARCHAR[]": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class EncodedSide:
    """N encoded rows of one side.

    continuous   (N, C) float32, NaN = missing
    categorical  (N, K) int32, 0 = missing, 1..buckets = hashed value
    embedding    (N, V) float32, NaN = missing, all vectors of a row side by side
    lists        of each multi-valued feature, the lists of N rows
    """

    continuous: NDArray[np.float32]
    categorical: NDArray[np.int32]
    embedding: NDArray[np.float32]
    lists: tuple[EncodedList, ...] = ()

    @staticmethod
    def empty(rows: int, schema: SideSchema) -> "EncodedSide":
        """Uninitialised matrices and empty lists for `rows` rows."""
        return EncodedSide(
            np.empty((rows, len(schema.continuous)), np.float32),
            np.empty((rows, len(schema.categorical)), np.int32),
            np.empty((rows, schema.vector_width), np.float32),
            tuple(EncodedList.empty(rows, feature) for feature in schema.lists),
        )

    def __len__(self) -> int:
        return len(self.categorical)

    def take(self, rows: NDArray[np.int64]) -> "EncodedSide":
        """Some rows, copied, in the given order."""
        return EncodedSide(
            self.continuous[rows],
            self.categorical[rows],
            self.embedding[rows],
            tuple(lists.take(rows) for lists in self.lists),
        )

    @staticmethod
    def stack(*sides: "EncodedSide") -> "EncodedSide":
        """The rows of several, one after the other."""
        return EncodedSide(
            np.concatenate([side.continuous for side in sides]),
            np.concatenate([side.categorical for side in sides]),
            np.concatenate([side.embedding for side in sides]),
            tuple(EncodedList.stack(lists) for lists in zip(*(side.lists for side in sides), strict=True)),
        )

    def part(self, rows: slice) -> "EncodedSide":
        """A range of rows, as views."""
        return EncodedSide(
            self.continuous[rows],
            self.categorical[rows],
            self.embedding[rows],
            tuple(lists.part(rows) for lists in self.lists),
        )


@dataclass(frozen=True)
class EncodedAds:
    """Some ads of one product: n ids as in `mtmd.logs.ids`, their encoded rows, bids float32, NaN where unknown."""

    product: str
    ad_id: NDArray[Any]
    rows: EncodedSide
    bid: NDArray[np.float32]


@lru_cache(maxsize=2**16)
def hash_bucket(seed: int, feature: str, value: str, buckets: int) -> int:
    """Bucket of a categorical value, in 1..buckets; 0 is left for missing."""
    key = hashlib.md5(f"{seed}/{feature}/{value}".encode(), usedforsecurity=False).digest()
    return 1 + int.from_bytes(key[:8], "big") % buckets


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of columns with DuckDB types."""
    return pa.schema([(name, ARROW_TYPES[kind]) for name, kind in columns.items()])


def table_from_rows(rows: Sequence[Mapping[str, Any]], schema: SideSchema) -> pa.Table:
    """Raw rows as the table that `encode` reads; an absent key is a null.

    Raises LogsError naming the feature whose value does not fit its declared type.
    """
    columns = {}
    for name, column_type in schema.columns.items():
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values, ARROW_TYPES[column_type])
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise LogsError(
                f"feature {name!r}: a value does not fit its type {column_type} ({error})"
            ) from error
    return pa.table(columns)


def encode(table: pa.Table, schema: SideSchema, hash_seed: int) -> EncodedSide:
    """Encode the feature columns of a table; other columns are ignored.

    Raises LogsError naming the feature: column missing or of another type, a number that is infinite,
    a vector of another length than declared, a list or what is beside it as `encode_list` says.
    """
    encoded = EncodedSide.empty(table.num_rows, schema)
    for c, feature in enumerate(schema.continuous):
        encoded.continuous[:, c] = _numbers(_column(table, feature), feature)
    for k, feature in enumerate(schema.categorical):
        encoded.categorical[:, k] = _buckets(
            _column(table, feature), feature, hash_seed, feature.hashed_as in schema.uuid_tables
        )
    place = 0
    for feature in schema.embedding:
        encoded.embedding[:, place : place + feature.width] = _vectors(_column(table, feature), feature)
        place += feature.width
    return replace(encoded, lists=tuple(_list(table, feature, schema, hash_seed) for feature in schema.lists))


def _list(table: pa.Table, feature: Feature, schema: SideSchema, hash_seed: int) -> EncodedList:
    def hashed(values: pa.Array, name: str, buckets: int) -> NDArray[np.int32]:
        return _hashed(values, name, buckets, hash_seed, name in schema.uuid_tables)

    beside = {what: _companion(table, feature, what, column) for what, column in feature.companions.items()}
    return encode_list(_column(table, feature), beside, feature, hashed)


def _companion(table: pa.Table, feature: Feature, what: Companion, column: str) -> pa.Array:
    """The column of what a list has beside its values, as one array."""
    place = f"feature {feature.name!r} has {what} {column!r}"
    if column not in table.column_names:
        raise LogsError(f"{place}, and there is no such column; add it")
    array, declared = table.column(column).combine_chunks(), COMPANION_TYPES[what]
    if pa.types.is_null(array.type) or array.type == pa.list_(pa.null()):
        return array.cast(ARROW_TYPES[declared])
    fits = _is_list(array.type) and _is_category(array.type.value_type)
    if not (fits if what == "actions" else _is_vector(array.type)):
        raise LogsError(f"{place}, whose column has Arrow type {array.type}; give it the type {declared}")
    return array


def _column(table: pa.Table, feature: Feature) -> pa.Array:
    """The feature's column as one array."""
    if feature.name not in table.column_names:
        raise LogsError(
            f"feature {feature.name!r} has no column; the table has {table.column_names}. Add the column, "
            "null where a domain lacks it"
        )
    array = table.column(feature.name).combine_chunks()
    fits = {
        "continuous": pa.types.is_floating(array.type) or pa.types.is_integer(array.type),
        "categorical": _is_category(array.type),
        "embedding": _is_vector(array.type),
    }
    if feature.multi:
        fits["categorical"] = _is_list(array.type) and _is_category(array.type.value_type)
    if pa.types.is_null(array.type) or (feature.multi and array.type == pa.list_(pa.null())):
        return array.cast(ARROW_TYPES[feature.column_type])
    if not fits[feature.kind]:
        raise LogsError(
            f"feature {feature.name!r} is {feature.kind}, but its column has Arrow type {array.type}; "
            f"give it the declared type {feature.column_type}"
        )
    return array


def _is_category(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_vector(kind: pa.DataType) -> bool:
    return _is_list(kind) and bool(pa.types.is_floating(kind.value_type) or pa.types.is_null(kind.value_type))


def _numbers(array: pa.Array, feature: Feature) -> NDArray[np.float32]:
    """(N,) float32; with log1p, sign(x) · ln(1 + |x|), taken in double precision."""
    values = pc.fill_null(array.cast(pa.float64(), safe=False), float("nan")).to_numpy(zero_copy_only=False)
    if feature.log1p:
        values = np.copysign(np.log1p(np.abs(values)), values)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, and is refused as such
        numbers: NDArray[np.float32] = values.astype(np.float32)
    _refuse_infinite(numbers, feature)
    return numbers


def _buckets(array: pa.Array, feature: Feature, seed: int, is_uuid: bool) -> NDArray[np.int32]:
    assert feature.buckets is not None  # Feature's own validator holds this for categorical features
    return _hashed(array, feature.hashed_as, feature.buckets, seed, is_uuid)


def _hashed(array: pa.Array, name: str, count: int, seed: int, is_uuid: bool) -> NDArray[np.int32]:
    """(N,) int32. Each distinct value is hashed once; texts of one UUID are one value."""
    coded = pc.dictionary_encode(array)
    table = np.zeros(len(coded.dictionary) + 1, np.int32)  # the last one stays 0: the null's
    for code, value in enumerate(coded.dictionary.to_pylist()):
        text = (canonical_uuid(str(value)) if is_uuid else None) or str(value)
        table[code] = hash_bucket(seed, name, text, count)
    codes = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)
    buckets: NDArray[np.int32] = table[codes]
    return buckets


def _vectors(array: pa.Array, feature: Feature) -> NDArray[np.float32]:
    """(N, width) float32; a vector that lacks any component is missing as a whole."""
    lengths = pc.list_value_length(array)
    if wrong := [n for n in pc.unique(lengths).to_pylist() if n not in (None, feature.width)]:
        raise LogsError(
            f"feature {feature.name!r} has a vector of length {wrong[0]}; declared width is {feature.width}. "
            "Correct the logs or the declaration"
        )
    vectors = np.full((len(array), feature.width), np.nan, np.float32)
    flat = pc.fill_null(array.flatten().cast(pa.float32()), float("nan")).to_numpy(zero_copy_only=False)
    vectors[array.is_valid().to_numpy(zero_copy_only=False)] = flat.reshape(-1, feature.width)
    vectors[np.isnan(vectors).any(axis=1)] = np.nan
    _refuse_infinite(vectors, feature)
    return vectors


def _refuse_infinite(values: NDArray[np.float32], feature: Feature) -> None:
    if count := int(np.isinf(values).sum()):
        raise LogsError(
            f"feature {feature.name!r} has {count} infinite values of {values.size}; write null where "
            "the value is unknown"
        )
