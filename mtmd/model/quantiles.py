"""How often each value of a number occurs, in bounded memory, and bins of values that occur about equally often.

The counts are exact for up to CELLS distinct values. With more, values are counted together that agree in all but the
last bits of their float32: in as few of these as leave at most CELLS cells, so that cells are fine where values are
many. What is kept depends on the values alone, and not on their order: dropping one bit more never splits a cell.

A bin takes values in ascending order, at least one, as long as it has no more than its share: the rows that no bin has
yet, over the bins that are left. So a value that is a large part of all, such as a count of 0, is a bin by itself, and
where values are no more than bins, each of them is.
"""

import numpy as np
from numpy.typing import NDArray

CELLS = 2**14
LARGEST = 1e38  # values beyond are taken for this one, so that the distance of any two is a number too

_MAGNITUDE = np.int64(0x7FFFFFFF)


class ValueCounts:
    """Counts of the values of one number."""

    def __init__(self) -> None:
        self._dropped = 0  # bits
        self._cells = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count values, none of them NaN."""
        ordered = _ordered(np.clip(values, -LARGEST, LARGEST))
        cells, counts = np.unique(ordered >> self._dropped, return_counts=True)
        self._hold(np.concatenate([self._cells, cells]), np.concatenate([self._counts, counts]))
        while len(self._cells) > CELLS:
            self._dropped += 1
            self._hold(self._cells >> 1, self._counts)

    def edges(self, bins: int, *, closed: bool) -> NDArray[np.float32]:
        """Ascending: where each of at most so many bins starts, and if `closed`, where the last one ends.

        Every bin has a value. The end is the largest value, of values that are counted together the least that may be
        among them; where that is the start of the last bin too, it is given once. Empty without values.
        """
        last = len(self._cells) - 1
        cells = self._starts(bins)
        if closed and cells and cells[-1] != last:
            cells.append(last)
        return self._values(self._cells[cells])

    def _starts(self, bins: int) -> list[int]:
        """The first cell of each bin."""
        ends = np.cumsum(self._counts)
        first, starts = 0, list[int]()
        while first < len(ends):
            left = bins - len(starts)
            starts.append(first)
            if len(ends) - first <= left:
                first += 1
                continue
            before = ends[first - 1] if first else 0
            share = (ends[-1] - before) / left
            first = max(first + 1, int(np.searchsorted(ends, before + share, side="right")))
        return starts

    def _hold(self, cells: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        self._cells, place = np.unique(cells, return_inverse=True)
        self._counts = np.bincount(place, weights=counts).astype(np.int64)  # exact up to 2^53

    def _values(self, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """The least value that each cell may have."""
        ordered = cells << self._dropped
        bits = np.where(ordered < 0, -ordered | ~_MAGNITUDE, ordered).astype(np.uint32)
        return bits.view(np.float32)


def _ordered(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whole numbers in the order of the values; both zeros are 0."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & _MAGNITUDE), bits)
