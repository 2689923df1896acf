"""What a user did before a request, where a preset asks for it: topics of earlier requests, ads that were clicked.

A row looks back over the hours of the last days that were over when its own hour began, newest first. So it never sees
its own hour, or anything later. Nothing is drawn: the same days are run again, which changes no other column.
"""

from collections.abc import Callable, Iterable
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.features.feature import ARROW_TYPES
from mtmd.sources.simulated.population import Ints
from mtmd.sources.simulated.requests import Requests

LENGTH = 20  # values that a row looks back
DAYS = 7  # how far a row looks back, before its own day
COLUMNS = {  # that requests may have, with DuckDB's types
    "recent_topics": "INTEGER[]",
    "recent_ads": "BIGINT[]",
    "recent_ad_actions": "VARCHAR[]",
    "recent_ad_hours": "FLOAT[]",
}
_OF_REQUESTS = ("recent_topics",)  # the others tell of clicks
_ACTIONS = np.array(["click", "good_click"])
_HOURS = 24
_USER = np.int64(2**32)  # times are smaller


class Events(NamedTuple):
    """Things that users did, in any order: who, when in whole hours (below 2³²), about what, and how."""

    user: Ints
    time: Ints
    value: Ints
    action: Ints  # index into the actions; 0 where there is only one

    @staticmethod
    def concatenate(parts: Iterable["Events"]) -> "Events":
        return Events(*map(np.concatenate, zip(*parts, strict=True)))


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
            events = Events.concatenate(day.requests if name in _OF_REQUESTS else day.clicks for day in days)
            offsets, row, place = _newest_before(events, user, first, hour)
            values = events.value[place]
            if name == "recent_ad_hours":
                values = (hour[row] - events.time[place]).astype(np.float32)
            elif name == "recent_ad_actions":
                values = _ACTIONS[events.action[place]]
            column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
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


def _newest_before(
    events: Events, user: Ints, since: int, until: Ints
) -> tuple[NDArray[np.int32], Ints, Ints]:
    """Per row (N,) the user's events with since ≤ time < until, newest first, at most LENGTH, row after row.

    Offsets (N + 1,), and of each value (V,) its row and its event. Of events at the same time, the later one in
    `events` counts as the newer.
    """
    key = events.user * _USER + events.time
    order = np.argsort(key, kind="stable")
    start, stop = (np.searchsorted(key[order], user * _USER + time) for time in (since, until))
    length = np.minimum(stop - start, LENGTH)
    row = np.repeat(np.arange(len(user)), length)
    offsets = np.concatenate([[0], np.cumsum(length)])
    back = np.arange(len(row)) - offsets[row]  # 0 = newest
    return offsets.astype(np.int32), row, order[stop[row] - 1 - back]
