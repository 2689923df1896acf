"""The lists of a multi-valued feature: which values of a raw list are read, and the encoded values of many rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import LONGEST_LIST, Feature
from mtmd.errors import LogsError


@dataclass(frozen=True)
class EncodedList:
    """The lists of one feature in N rows; an empty one is missing.

    start, length  (N,) int64 and int32: the row's values are at start, start + 1, … of the others
    ids            (V,) int32, 1..buckets = hashed value
    weights        (V,) float32, 0 or more; None where the feature has none
    """

    start: NDArray[np.int64]
    length: NDArray[np.int32]
    ids: NDArray[np.int32]
    weights: NDArray[np.float32] | None

    @staticmethod
    def empty(rows: int, feature: Feature) -> "EncodedList":
        """`rows` empty lists."""
        weights = None if feature.weights is None else np.empty(0, np.float32)
        return EncodedList(np.zeros(rows, np.int64), np.zeros(rows, np.int32), np.empty(0, np.int32), weights)

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64]) -> "EncodedList":
        """Some rows in the given order, with copies of their values, row after row."""
        length = self.length[rows]
        places = consecutive(self.start[rows], length)
        weights = None if self.weights is None else self.weights[places]
        return EncodedList(_starts(length), length, self.ids[places], weights)

    def part(self, rows: slice) -> "EncodedList":
        """A range of rows, as views."""
        return EncodedList(self.start[rows], self.length[rows], self.ids, self.weights)

    @staticmethod
    def stack(lists: Sequence["EncodedList"]) -> "EncodedList":
        """The rows of several lists of one feature, one after the other."""
        shifts = np.cumsum([0, *(len(one.ids) for one in lists)])
        weights = [one.weights for one in lists if one.weights is not None]
        return EncodedList(
            np.concatenate([one.start + shift for one, shift in zip(lists, shifts, strict=False)]),
            np.concatenate([one.length for one in lists]),
            np.concatenate([one.ids for one in lists]),
            np.concatenate(weights) if weights else None,
        )

    def padded(self) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Matrices (N, L) of ids and of weights, filled up with 0; L is the longest length, at least 1."""
        longest = max(int(self.length.max(initial=0)), 1)
        filled = np.arange(longest) < self.length[:, None]  # (N, L)
        places = consecutive(self.start, self.length)
        ids = np.zeros(filled.shape, np.int64)
        ids[filled] = self.ids[places]
        if self.weights is None:
            return ids, None
        weights = np.zeros(filled.shape, np.float32)
        weights[filled] = self.weights[places]
        return ids, weights


def read_list(array: pa.Array, weights: pa.Array | None, feature: Feature) -> tuple[pa.Array, EncodedList]:
    """The values of N raw lists that are read, and where in them each row's are; the ids are still to be filled in.

    Raises LogsError naming the feature: a null in a list, a list longer than LONGEST_LIST, weights that are not as many
    as the values or not numbers of 0 or more.
    """
    lengths, values = _lengths(array), array.flatten()
    if values.null_count:
        raise LogsError(
            f"feature {feature.name!r} has {values.null_count} nulls inside of lists; leave them out, and write null "
            "or an empty list where no value is known"
        )
    if (longest := int(lengths.max(initial=0))) > LONGEST_LIST:
        raise LogsError(
            f"feature {feature.name!r} has a list of {longest} values; at most {LONGEST_LIST} are allowed, of which "
            f"the first {feature.max_length} are read: write no more than those"
        )
    kept = np.minimum(lengths, feature.max_length or 0).astype(np.int32)
    places = consecutive(_starts(lengths), kept)
    read = None if weights is None else _weights(weights, lengths, feature)[places]
    return values.take(pa.array(places)), EncodedList(
        _starts(kept), kept, np.zeros(len(places), np.int32), read
    )


def consecutive(start: NDArray[np.int64], length: NDArray[np.integer]) -> NDArray[np.int64]:
    """start, start + 1, … of each row, `length` numbers of it, row after row."""
    return np.arange(int(length.sum())) + np.repeat(start - _starts(length), length)


def _weights(array: pa.Array, lengths: NDArray[np.int64], feature: Feature) -> NDArray[np.float32]:
    """Every weight; as many as values in every row, a null list counting as an empty one."""
    if wrong := int((_lengths(array) != lengths).sum()):
        raise LogsError(
            f"feature {feature.name!r}: {wrong} rows of its weights {feature.weights!r} have another length than the "
            "list; write a weight for each value"
        )
    flat = pc.fill_null(array.flatten().cast(pa.float32()), float("nan")).to_numpy(zero_copy_only=False)
    weights: NDArray[np.float32] = flat
    if wrong := int((~(np.isfinite(weights) & (weights >= 0))).sum()):
        raise LogsError(
            f"feature {feature.name!r}: {wrong} of its weights {feature.weights!r} are null, NaN, infinite or "
            "negative; each must be a number of 0 or more"
        )
    return weights


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    """(N,) values of each list, 0 of a null."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths, np.int64)


def _starts(length: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.asarray(np.cumsum(length, dtype=np.int64) - length, np.int64)
