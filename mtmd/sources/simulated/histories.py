"""What a user did before a request, where a preset asks for it: topics of earlier requests, ads that were clicked.

A row looks back over the hours of the last days that were over when its own hour began, newest first. So it never sees
its own hour, or anything later. Nothing is drawn: the same days are run again, which changes no other column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from mtmd.logs.encoding import ARROW_TYPES
from mtmd.sources.simulated.requests import Requests
from mtmd.sources.simulated.streams import Ints

COLUMNS = {
    "recent_topics": "INTEGER[]",
    "recent_ads": "BIGINT[]",
}  # that requests may have, with DuckDB's types
DAYS, LENGTH = 7, 20  # how far a row looks back, in days before its own and in values
_HOURS = 24


@dataclass(frozen=True)
class Events:
    """Things that users did on some days, in any order: who, in which hour since the year 1, and what it was about."""

    user: Ints
    hour: Ints
    value: Ints

    @staticmethod
    def concatenate(parts: list["Events"]) -> "Events":
        columns = zip(*((part.user, part.hour, part.value) for part in parts), strict=True)
        return Events(*(np.concatenate(column) for column in columns))


DayEvents = dict[str, Events]  # by the column that tells of them


class Histories:
    """Writes the columns of `names` for the requests of a day; remembers what happened on the days before."""

    def __init__(self, names: tuple[str, ...], happened: Callable[[date], DayEvents]) -> None:
        """`happened` runs a day; it has no events before the platform's first day."""
        self.names = names
        self._happened = happened
        self._days: dict[int, DayEvents] = {}

    def append(self, table: pa.Table, requests: Requests, ordinal: int) -> pa.Table:
        """Rows of `requests` as the logs have them, with these columns too."""
        hour = ordinal * _HOURS + requests.hour
        for name, days in self._of(ordinal).items():
            values = _before(
                Events.concatenate(days), requests.users.user_id, hour, (ordinal - DAYS) * _HOURS
            )
            table = table.append_column(name, values.cast(ARROW_TYPES[COLUMNS[name]]))
        return table

    def _of(self, ordinal: int) -> dict[str, list[Events]]:
        """Events of a day and of those before it, by column; days that no later one looks at are forgotten."""
        wanted = range(ordinal - DAYS, ordinal + 1)
        self._days = {
            day: self._days[day] if day in self._days else self._happened(date.fromordinal(day))
            for day in wanted
        }
        return {name: [events[name] for events in self._days.values()] for name in self.names}


def _before(events: Events, user: Ints, hour: Ints, first: int) -> pa.ListArray:
    """Per row, the user's values of the hours `first` to `hour` - 1, newest first, at most LENGTH."""
    key = events.user * np.int64(2**32) + events.hour
    order = np.argsort(key, kind="stable")
    key, values = key[order], events.value[order]
    start = np.searchsorted(key, user * np.int64(2**32) + first)
    stop = np.searchsorted(key, user * np.int64(2**32) + hour)
    length = np.minimum(stop - start, LENGTH)
    ends = np.cumsum(length)
    back = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - length, length)  # 0 = newest
    places = np.repeat(stop, length) - 1 - back
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[places]))
