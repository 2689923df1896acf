"""The lists of a multi-valued feature: which values of a raw list are read, and the encoded values of many rows.

What a list has beside its values is encoded value by value: weights as they are, actions hashed as categories are, with
their column's name, into ACTIONS buckets, and ages into AGES bins, each half an octave of 1 + age wide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import LONGEST_LIST, Feature
from mtmd.config.features import Companion
from mtmd.errors import LogsError

ACTIONS, AGES = 256, 32
_TYPES = {"ids": np.int32, "weights": np.float32, "actions": np.int32, "ages": np.int32}


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

    @staticmethod
    def empty(rows: int, feature: Feature) -> "EncodedList":
        """`rows` empty lists."""
        values = {name: np.empty(0, _TYPES[name]) for name in ("ids", *feature.companions)}
        return EncodedList(np.zeros(rows, np.int64), np.zeros(rows, np.int32), **values)

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
        return EncodedList(_starts(length), length, **values)

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


def encode_list(
    array: pa.Array,
    beside: Mapping[Companion, pa.Array],
    feature: Feature,
    hashed: Callable[[pa.Array, str, int], NDArray[np.int32]],
) -> EncodedList:
    """N raw lists, and the lists beside them by companion.

    `hashed` is given values, the name that is hashed with them, and the number of buckets. Raises LogsError naming the
    feature: a null in a list, a list longer than LONGEST_LIST, weights, actions or ages that are not as many as the
    values, actions that are null, weights or ages that are not numbers of 0 or more.
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
    encoded: dict[str, Any] = {
        "ids": hashed(values.take(pa.array(places)), feature.hashed_as, feature.buckets or 0)
    }
    for what, column in beside.items():
        _require_as_many(_lengths(column), lengths, feature, what)
        if what == "actions":
            encoded[what] = hashed(
                _actions(column, feature).take(pa.array(places)), feature.actions or "", ACTIONS
            )
        else:
            numbers = _numbers(column, feature, what)[places]
            encoded[what] = numbers if what == "weights" else age_bins(numbers)
    return EncodedList(_starts(kept), kept, **encoded)


def age_bins(ages: NDArray[np.float32]) -> NDArray[np.int32]:
    """1 + the whole part of 2 · log2(1 + age), at most AGES."""
    bins = 1 + np.floor(2 * np.log2(1 + ages.astype(np.float64)))
    return np.asarray(np.minimum(bins, AGES), np.int32)


def consecutive(start: NDArray[np.int64], length: NDArray[np.integer]) -> NDArray[np.int64]:
    """start, start + 1, … of each row, `length` numbers of it, row after row."""
    return np.arange(int(length.sum())) + np.repeat(start - _starts(length), length)


def _require_as_many(
    found: NDArray[np.int64], wanted: NDArray[np.int64], feature: Feature, what: str
) -> None:
    if wrong := int((found != wanted).sum()):
        raise LogsError(
            f"feature {feature.name!r}: {wrong} rows of its {what} {getattr(feature, what)!r} have another length than "
            "the list; write one for each value"
        )


def _actions(array: pa.Array, feature: Feature) -> pa.Array:
    actions = array.flatten()
    if actions.null_count:
        raise LogsError(
            f"feature {feature.name!r}: {actions.null_count} of its actions {feature.actions!r} are null; write a text "
            "for each value"
        )
    return actions


def _numbers(array: pa.Array, feature: Feature, what: str) -> NDArray[np.float32]:
    """Every weight, or every age."""
    flat = pc.fill_null(array.flatten().cast(pa.float32()), float("nan")).to_numpy(zero_copy_only=False)
    numbers: NDArray[np.float32] = flat
    if wrong := int((~(np.isfinite(numbers) & (numbers >= 0))).sum()):
        raise LogsError(
            f"feature {feature.name!r}: {wrong} of its {what} {getattr(feature, what)!r} are null, NaN, infinite or "
            "negative; each must be a number of 0 or more"
        )
    return numbers


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    """(N,) values of each list, 0 of a null."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths, np.int64)


def _starts(length: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.asarray(np.cumsum(length, dtype=np.int64) - length, np.int64)
