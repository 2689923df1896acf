"""Of a user's events those up to a time, newest first: by hand."""

import numpy as np
import pyarrow as pa

from mtmd.sources.simulated.histories import LENGTH, Events, newest_before


def looked_back(events: Events, *rows: tuple[int, int, int]) -> list[list[int]]:
    """The values for rows of (user, since, until)."""
    user, since, until = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    lists = newest_before(events, user, since, until)
    assert [len(row) for row in lists.of(pa.array(lists.row)).to_pylist()] == np.diff(lists.offsets).tolist()
    found: list[list[int]] = lists.of(pa.array(events.value[lists.place])).to_pylist()
    return found


def of(*rows: tuple[int, int, int]) -> Events:
    """Of (user, time, value)."""
    user, time, value = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Events(user, time, value, np.zeros_like(value))


def test_a_user_sees_own_events_from_the_first_time_up_to_before_the_last() -> None:
    events = of((7, 5, 50), (8, 3, 30), (7, 9, 90), (7, 2, 20), (7, 5, 51))
    assert looked_back(events, (7, 2, 9), (7, 3, 10), (8, 0, 4), (8, 0, 3), (6, 0, 99)) == [
        [51, 50, 20],
        [90, 51, 50],
        [30],
        [],
        [],
    ]


def test_times_are_seconds_of_any_date_and_the_newest_are_kept() -> None:
    start = 2**32 - 1 - 2 * LENGTH  # in the year 2106
    events = of(*((2**31, start + n, n) for n in range(2 * LENGTH)))
    (found,) = looked_back(events, (2**31, 0, 2**32 - 1))
    assert found == list(range(2 * LENGTH - 1, LENGTH - 1, -1))
