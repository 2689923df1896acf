"""What happens on which day of the soak, besides the nightly delivery, monitor and daily run."""

from collections.abc import Mapping
from datetime import date
from typing import Literal, get_args

Event = Literal[
    "late day",
    "corrupt day",
    "planted drift",
    "worker killed",
    "server restarted",
    "rollback",
]
EVENTS: tuple[Event, ...] = get_args(Event)

FIRST = date(2026, 1, 21)  # the first day with a 20-day window since 2026-01-01
DAYS = 30

# Days from 0. A late and a corrupt day are delivered again, and run again, the morning after.
STORY: Mapping[int, Event] = {
    4: "late day",
    8: "corrupt day",
    12: "planted drift",
    16: "worker killed",
    20: "server restarted",
    24: "rollback",
}
