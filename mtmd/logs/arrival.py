"""Wait for a day of logs that is delivered late, up to a limit."""

import time
from collections.abc import Callable
from datetime import date

from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource

_WORDS_EVERY = 10  # looks


def await_day(
    source: LogSource, day: date, limit_s: float, say: Callable[[str], None], *, every_s: float = 30.0
) -> None:
    """Return once every table has the day; `say` hears what is waited for, now and then.

    Raises LogsError naming the tables that lack the day after `limit_s` seconds.
    """
    start, looks, missing = time.monotonic(), 0, list(TABLES)
    while missing := [table for table in missing if not source.has_day(table, day)]:
        waited = time.monotonic() - start
        if waited >= limit_s:
            raise LogsError(
                f"{_lacking(missing, day)} after {_minutes(waited)} of waiting; have the day delivered and run it "
                "again, or wait longer"
            )
        if looks % _WORDS_EVERY == 0:
            say(f"{_lacking(missing, day)}; waited {_minutes(waited)} of {_minutes(limit_s)}")
        looks += 1
        time.sleep(min(every_s, limit_s - waited))
    if looks:
        say(f"the logs of {day} came after {_minutes(time.monotonic() - start)}")


def _lacking(missing: list[str], day: date) -> str:
    return f"{' and '.join(missing)} {'has' if len(missing) == 1 else 'have'} no {day} yet"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
