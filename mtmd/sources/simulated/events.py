"""What users did before: of events in any order, those of one user up to a time, newest first.

Both sources write such columns where a preset declares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LENGTH = 20  # values that a row looks back
_USER = np.int64(2**32)  # times are smaller


@dataclass(frozen=True)
class Events:
    """Things that users did, in any order: who, when in whole hours or seconds (below 2³²), about what, and how."""

    user: Ints
    time: Ints
    value: Ints
    action: Ints  # index into the source's actions; 0 where there is only one

    @cached_property
    def ordered(self) -> tuple[Ints, Ints]:
        """Keys of the events, ascending by user and then time, and the place of each; sorted once, for all days."""
        key = _key(self.user, self.time)
        order = np.argsort(key, kind="stable")
        return key[order], order

    @staticmethod
    def concatenate(parts: Sequence["Events"]) -> "Events":
        columns = zip(*((part.user, part.time, part.value, part.action) for part in parts), strict=True)
        return Events(*(np.concatenate(column) for column in columns))


class Lists(NamedTuple):
    """Of N rows the events that each looks back on: lists of different lengths, one after the other.

    offsets (N + 1,) int32, row (V,) the row of each value, place (V,) its event
    """

    offsets: NDArray[np.int32]
    row: Ints
    place: Ints

    def of(self, values: pa.Array) -> pa.ListArray:
        """One list for each row, of one value for each event in them."""
        return pa.ListArray.from_arrays(pa.array(self.offsets), values)


def newest_before(events: Events, user: Ints, since: Ints | int, until: Ints) -> Lists:
    """Per row the user's events with since ≤ time < until, newest first, at most LENGTH.

    Of events at the same time, the later one in `events` counts as the newer.
    """
    keys, order = events.ordered
    start = np.searchsorted(keys, _key(user, since))
    stop = np.searchsorted(keys, _key(user, until))
    length = np.minimum(stop - start, LENGTH)
    row = np.repeat(np.arange(len(user)), length)
    offsets = np.concatenate([[0], np.cumsum(length)])
    back = np.arange(len(row)) - offsets[row]  # 0 = newest
    return Lists(offsets.astype(np.int32), row, order[stop[row] - 1 - back])


def _key(user: Ints, time: Ints | int) -> Ints:
    return user * _USER + time
