"""What a user did before a request, where a preset asks for it: topics of earlier requests, ads that were clicked.

A row looks back over the hours of the last days that were over when its own hour began, newest first. So it never sees
its own hour, or anything later. Nothing is drawn: the same days are run again, which changes no other column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.features.feature import ARROW_TYPES
from mtmd.sources.simulated.requests import Requests

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


COLUMNS = {  # that requests may have, with DuckDB's types
    "recent_topics": "INTEGER[]",
    "recent_ads": "BIGINT[]",
    "recent_ad_actions": "VARCHAR[]",
    "recent_ad_hours": "FLOAT[]",
}
_OF_REQUESTS = ("recent_topics",)  # the others tell of clicks
ACTIONS = np.array(["click", "good_click"])
DAYS = 7  # how far a row looks back, before its own day
_HOURS = 24


class DayEvents(NamedTuple):
    """What happened on a day, in hours since the year 1: requests by their topics, and clicks by their ads."""

    requests: Events
    clicks: Events


class Histories:
    """Writes the columns of `names` for the requests of a day; remembers what happened on the days before."""

    def __init__(self, names: tuple[str, ...], happened: Callable[[date], DayEvents]) -> None:
        """`happened` runs a day; it has no events before the platform's first day."""
        self.names = names
        self._happened = happened
        self._days: dict[int, DayEvents] = {}

    def append(self, table: pa.Table, requests: Requests, ordinal: int) -> pa.Table:
        """Rows of `requests` as the logs have them, with these columns too."""
        user, hour = requests.users.user_id, ordinal * _HOURS + requests.hour
        days, first = self._of(ordinal), (ordinal - DAYS) * _HOURS
        for name in self.names:
            events = Events.concatenate(
                [day.requests if name in _OF_REQUESTS else day.clicks for day in days]
            )
            lists = newest_before(events, user, first, hour)
            values = events.value[lists.place]
            if name == "recent_ad_hours":
                values = (hour[lists.row] - events.time[lists.place]).astype(np.float32)
            elif name == "recent_ad_actions":
                values = ACTIONS[events.action[lists.place]]
            column = lists.of(pa.array(values))
            table = table.append_column(name, column.cast(ARROW_TYPES[COLUMNS[name]]))
        return table

    def _of(self, ordinal: int) -> list[DayEvents]:
        """A day and those before it; days that no later one looks at are forgotten."""
        wanted = range(ordinal - DAYS, ordinal + 1)
        self._days = {
            day: self._days[day] if day in self._days else self._happened(date.fromordinal(day))
            for day in wanted
        }
        return list(self._days.values())
