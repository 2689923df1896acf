"""How a raw row becomes a tower's input: one implementation for extraction and for serving (no skew).

N rows of one side become three matrices, in the order of the side's `SideSchema`:
continuous (N, C), categorical (N, K) and embedding (N, V), and the values of each list. Missing is NaN, 0, NaN and an
empty list: it stays missing until the model, which has a learned default for it. The kinds of `mtmd.features` say how.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.config import SideSchema
from mtmd.errors import LogsError
from mtmd.features.feature import EncodedList, Feature, arrow_type


@dataclass(frozen=True)
class EncodedSide:
    """N encoded rows of one side.

    continuous   (N, C) float32, NaN = missing
    categorical  (N, K) int32, 0 = missing, 1..buckets = hashed value
    embedding    (N, V) float32, NaN = missing, all vectors of a row side by side
    lists        of each feature of lists, the lists of N rows
    """

    continuous: NDArray[np.float32]
    categorical: NDArray[np.int32]
    embedding: NDArray[np.float32]
    lists: tuple[EncodedList, ...] = ()

    @staticmethod
    def filled(schema: SideSchema, rows: int, values: Callable[[Feature], Any]) -> "EncodedSide":
        """N rows with the encoded `values` of each feature: (N,), (N, size), or the lists of N rows."""
        encoded = EncodedSide(
            np.empty((rows, len(schema.continuous)), np.float32),
            np.empty((rows, len(schema.categorical)), np.int32),
            np.empty((rows, schema.vector_width), np.float32),
            tuple(values(feature) for feature in schema.lists),
        )
        for matrix, features in (
            (encoded.continuous, schema.continuous),
            (encoded.categorical, schema.categorical),
            (encoded.embedding, schema.embedding),
        ):
            start = 0
            for feature in features:
                stop = start + feature.size
                matrix[:, start:stop] = np.reshape(values(feature), (rows, feature.size))
                start = stop
        return encoded

    def __len__(self) -> int:
        return len(self.categorical)

    def take(self, rows: NDArray[np.int64] | slice) -> "EncodedSide":
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


@dataclass(frozen=True)
class EncodedAds:
    """Some ads of one product: n ids (`mtmd.logs.contract`), their encoded rows, bids float32, NaN where unknown."""

    product: str
    ad_id: NDArray[Any]
    rows: EncodedSide
    bid: NDArray[np.float32]


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of columns with DuckDB types."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def table_from_rows(rows: Sequence[Mapping[str, Any]], schema: SideSchema) -> pa.Table:
    """Raw rows as the table that `encode` reads; an absent key is a null.

    Raises LogsError naming the feature whose value does not fit its declared type.
    """
    columns = {}
    for name, column_type in schema.columns.items():
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values, arrow_type(column_type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise LogsError(
                f"feature {name!r}: a value does not fit its type {column_type} ({error})"
            ) from error
    return pa.table(columns)


def table_from_frame(frame: pa.Table, schema: SideSchema, domains: Collection[str]) -> pa.Table:
    """The columns of a frame as `encode` reads them; one that no feature of these `domains` has may be missing.

    Raises LogsError naming the columns that are missing, or the feature whose values do not fit its declared type.
    """
    needed = (f.name for f in schema.fields if f.domains is None or set(f.domains) & set(domains))
    if missing := [name for name in needed if name not in frame.column_names]:
        raise LogsError(
            f"the frame lacks columns {missing}, which {schema.side} features of {sorted(domains)} are read from; add "
            "them, with nulls where a value is not known"
        )
    columns = {}
    for name, column_type in schema.columns.items():
        kind = arrow_type(column_type)
        given = frame.column(name) if name in frame.column_names else pa.nulls(frame.num_rows)
        try:
            # 3.0 is not the 3 of the logs.
            if kind == pa.string() and pa.types.is_floating(given.type) and given.null_count < len(given):
                raise pa.ArrowTypeError(f"its values are numbers such as {given[0]}")
            columns[name] = given.cast(kind)
        except pa.ArrowException as error:
            raise LogsError(
                f"feature {name!r}: a value does not fit its type {column_type} ({error})"
            ) from error
    return pa.table(columns)


def encode(table: pa.Table, schema: SideSchema, hash_seed: int) -> EncodedSide:
    """Encode the feature columns of a table; other columns are ignored.

    Raises LogsError naming the feature that has a value which is not as its kind has it.
    """
    return EncodedSide.filled(schema, table.num_rows, lambda feature: feature.encode(table, hash_seed))
