"""Numbers for the values of a column, the same on every day, whatever the column's type."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtmd.extras.kuairand.teacher.rows import Ints


class ValueCodes:
    """Values of one column in the order in which they appear: 1, 2, …; 0 is a null."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def of(self, values: pa.ChunkedArray | pa.Array) -> Ints:
        """(N,) the code of each value; new values get new codes."""
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        coded = pc.dictionary_encode(array)
        codes = [
            self._codes.setdefault(value, len(self._codes) + 1) for value in coded.dictionary.to_pylist()
        ]
        table = np.array([*codes, 0], np.int64)  # the last one is the null's
        return np.asarray(table[pc.fill_null(coded.indices, len(codes)).to_numpy(zero_copy_only=False)])


def most_frequent(codes: Ints, most: int) -> Ints:
    """(N,) the same rows with the `most` codes above 0 that occur most, numbered anew; all others are 0."""
    counts = np.bincount(codes)
    counts[:1] = 0
    kept = np.argsort(-counts, kind="stable")[:most]
    kept = np.sort(kept[counts[kept] > 0])
    table = np.zeros(len(counts), np.int64)
    table[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(table[codes])
