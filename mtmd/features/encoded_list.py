"""The encoded values of a multi-valued feature in many rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedList:
    """The lists of one feature in N rows; an empty one is missing.

    start, length  (N,) int64 and int32: the row's values are at start, start + 1, … of the others
    ids            (V,) int32, 1..buckets = hashed value
    """

    start: NDArray[np.int64]
    length: NDArray[np.int32]
    ids: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64] | slice) -> "EncodedList":
        """Some rows in the given order, with copies of their values, row after row."""
        length = self.length[rows]
        return EncodedList(starts(length), length, self.ids[consecutive(self.start[rows], length)])

    @staticmethod
    def stack(lists: Sequence["EncodedList"]) -> "EncodedList":
        """The rows of several lists of one feature, one after the other."""
        shifts = np.cumsum([0, *(len(one.ids) for one in lists)])
        return EncodedList(
            np.concatenate([one.start + shift for one, shift in zip(lists, shifts, strict=False)]),
            np.concatenate([one.length for one in lists]),
            np.concatenate([one.ids for one in lists]),
        )

    def padded(self) -> NDArray[np.int64]:
        """The ids (N, L), filled up with 0; L is at least 1."""
        longest = max(int(self.length.max(initial=0)), 1)
        matrix = np.zeros((len(self), longest), np.int64)
        matrix[np.arange(longest) < self.length[:, None]] = self.ids[consecutive(self.start, self.length)]
        return matrix


def consecutive(start: NDArray[np.int64], length: NDArray[np.integer]) -> NDArray[np.int64]:
    """start, start + 1, … of each row, `length` numbers of it, row after row."""
    return np.arange(int(length.sum())) + np.repeat(start - starts(length), length)


def starts(length: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) where the values of each row begin, when they lie row after row."""
    return np.asarray(np.cumsum(length, dtype=np.int64) - length, np.int64)
