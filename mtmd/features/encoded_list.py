"""The encoded values of a multi-valued feature in many rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedList:
    """The lists of one feature in N rows; an empty one is missing.

    start, length  (N,) int64 and int32: the row's values are at start, start + 1, … of the others
    ids            (V,) int32, 1..buckets = hashed value
    weights        (V,) float32, 0 or more; None where the feature has none
    actions        (V,) int32, 1..ACTIONS, likewise
    ages           (V,) int32, 1..AGES, likewise
    """

    start: NDArray[np.int64]
    length: NDArray[np.int32]
    ids: NDArray[np.int32]
    weights: NDArray[np.float32] | None = None
    actions: NDArray[np.int32] | None = None
    ages: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.start)

    @property
    def values(self) -> dict[str, NDArray[Any]]:
        """The ids and what is beside them, by name."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)[2:]}
        return {name: column for name, column in columns.items() if column is not None}

    def take(self, rows: NDArray[np.int64]) -> "EncodedList":
        """Some rows in the given order, with copies of their values, row after row."""
        length = self.length[rows]
        places = consecutive(self.start[rows], length)
        values = {name: column[places] for name, column in self.values.items()}
        return EncodedList(starts(length), length, **values)

    def part(self, rows: slice) -> "EncodedList":
        """A range of rows, as views."""
        return EncodedList(self.start[rows], self.length[rows], **self.values)

    @staticmethod
    def stack(lists: Sequence["EncodedList"]) -> "EncodedList":
        """The rows of several lists of one feature, one after the other."""
        shifts = np.cumsum([0, *(len(one.ids) for one in lists)])
        start = np.concatenate([one.start + shift for one, shift in zip(lists, shifts, strict=False)])
        values = {name: np.concatenate([one.values[name] for one in lists]) for name in lists[0].values}
        return EncodedList(start, np.concatenate([one.length for one in lists]), **values)

    def padded(self) -> dict[str, NDArray[Any]]:
        """A matrix (N, L) of each of `values`, filled up with 0; whole numbers are int64; L is at least 1."""
        longest = max(int(self.length.max(initial=0)), 1)
        filled = np.arange(longest) < self.length[:, None]  # (N, L)
        places = consecutive(self.start, self.length)
        matrices = {}
        for name, column in self.values.items():
            kind = np.int64 if column.dtype == np.int32 else column.dtype
            matrices[name] = np.zeros(filled.shape, kind)
            matrices[name][filled] = column[places]
        return matrices


def consecutive(start: NDArray[np.int64], length: NDArray[np.integer]) -> NDArray[np.int64]:
    """start, start + 1, … of each row, `length` numbers of it, row after row."""
    return np.arange(int(length.sum())) + np.repeat(start - starts(length), length)


def starts(length: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) where the values of each row begin, when they lie row after row."""
    return np.asarray(np.cumsum(length, dtype=np.int64) - length, np.int64)
