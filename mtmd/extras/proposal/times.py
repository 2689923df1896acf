"""Which column is the time of a request: the one whose values are times of the file's day, whatever its name and type.

Times may be TIMESTAMP, text in the usual forms, or numbers that count from 1970. Without any, a DATE is taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mtmd.errors import LogsError
from mtmd.extras.proposal.looks import DAYS_LOOKED_AT, Look, LookedAt
from mtmd.extras.proposal.names import rank_of
from mtmd.logs.columns import has_offset, text_as
from mtmd.logs.sql import sql_name
from mtmd.validate.gx_duckdb import Database

_FIRST_ROWS = 1000  # that show which readings of a column are worth a look at all rows
_MOSTLY = 0.9  # of a column's values: the others may be late, or wrong
_WHOLE = (  # of a number
    "make_timestamp({} * 1000000)",
    "make_timestamp_ms({})",
    "make_timestamp({})",
    "make_timestamp({} // 1000)",
)
_FRACTION = ("make_timestamp(cast({} * 1000000 as bigint))", "make_timestamp_ms(cast({} as bigint))")
_FORMS = (  # of text, beside those that DuckDB casts
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%m-%d-%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%b/%Y:%H:%M:%S",
    "%d/%m/%Y",
    "%m/%d/%Y",
)


@dataclass(frozen=True)
class Time:
    """A column that has times, as one SQL expression reads them; shares are of all rows.

    of_the_day   share of times of the file's own day
    of_the_days  share of times of the folder's days, or of a day beside them: hours differ by time zones
    is_midnight  all times are: the column has days, rather than times
    """

    look: Look
    sql: str
    of_the_day: float
    of_the_days: float
    is_midnight: bool

    @property
    def words(self) -> str:
        said = (
            "days without hours"
            if self.is_midnight
            else f"{self.of_the_day:.0%} of its times are of the file's day"
        )
        return f"{self.look.name} ({said})"


@dataclass(frozen=True)
class RequestTime:
    """The time of requests, and the columns that could be it as well."""

    chosen: Time
    others: tuple[Time, ...]

    @property
    def understood(self) -> list[str]:
        """What to tell of it beside its name: nothing where it was the only one, and needs no SQL."""
        time, lines = self.chosen, []
        if time.sql != sql_name(time.look.name):
            lines.append(f"{time.look.name} is {time.look.type}: read as {time.sql}")
        if self.others or time.of_the_day < 1:
            others = ", ".join(other.words for other in self.others)
            lines.append(f"ts is {time.words}" + (f", rather than {others}" if others else ""))
        if time.is_midnight:
            lines.append(
                f"all times of {time.look.name} are midnight: deliver the time of each request if you have it"
            )
        return lines


def find_time(
    connection: Database, requests: LookedAt, names: Sequence[str], days: Sequence[date]
) -> RequestTime:
    """Of the columns with these names the one that has the most times of the newest day, which is the rows' own.

    Among equal ones the name decides. Raises LogsError where no column has times of the days.
    """
    looks = [requests.columns[name] for name in names]
    found = list(_times(connection, requests, looks, days))
    fitting = [time for time in found if time.of_the_days >= _MOSTLY]
    if not fitting:  # of another day altogether: still the time, and the check says that its days are wrong
        stamps = [time for time in found if time.look.is_stamp]
        fitting = (
            stamps if len(stamps) == 1 else [t for t in stamps if rank_of("ts", t.look.name) is not None]
        )
    if not fitting:
        raise LogsError(
            f"{requests.view}: no column is the request's time: none has times from {days[0]} to {days[-1]}, as "
            "TIMESTAMP, as text, or as seconds, milliseconds, microseconds or nanoseconds since 1970; deliver it, in "
            "UTC"
        )

    def liking(time: Time) -> tuple[bool, float, int, int]:
        rank = rank_of("ts", time.look.name)
        return time.is_midnight, -time.of_the_day, 99 if rank is None else rank, len(time.look.name)

    chosen, *others = sorted(fitting, key=liking)
    return RequestTime(chosen, tuple(others))


@dataclass(frozen=True)
class _Reading:
    """A column, and SQL that may read it as TIMESTAMP."""

    look: Look
    sql: str

    @property
    def in_utc(self) -> str:
        """The same as the daily job reads it: a cast of a time with a zone would use this machine's zone."""
        zoned = self.look.is_stamp and "TZ" in self.look.type.replace("WITH TIME ZONE", "TZ")
        return f"make_timestamp(epoch_us({self.sql}))" if zoned else self.sql


@dataclass(frozen=True)
class _Counts:
    rows: int
    times: int
    of_the_day: int
    of_the_days: int
    midnight: int


def _times(
    connection: Database, table: LookedAt, looks: Sequence[Look], days: Sequence[date]
) -> Iterator[Time]:
    """Each column that may have times, by its best reading."""
    first = _counts(
        connection,
        f"(from {table.view} limit {_FIRST_ROWS})",
        [one for look in looks for one in _readings(look)],
        days,
    )
    best = []
    for look in looks:
        own = {reading: n for reading, n in first.items() if reading.look is look}
        if own and (look.is_stamp or any(n.of_the_days for n in own.values())):
            best.append(_best(connection, table, own, days))
    for reading, n in _counts(connection, table.view, best, days).items():
        yield Time(
            reading.look, _plain(connection, table.view, reading), n.of_the_day / n.rows, n.of_the_days / n.rows,
            n.midnight == n.times > 0,
        )  # fmt: skip


def _best(
    connection: Database, table: LookedAt, counts: Mapping[_Reading, _Counts], days: Sequence[date]
) -> _Reading:
    """The reading with the most times of the day. Other days decide among equals: 05/05 is 5 May in either order."""
    most = max((n.of_the_day, n.of_the_days) for n in counts.values())
    equals = [reading for reading, n in counts.items() if (n.of_the_day, n.of_the_days) == most]
    if len(equals) == 1 or table.over_days is None:
        return equals[0]
    of_days = _counts(connection, table.over_days, equals, days[-DAYS_LOOKED_AT:])
    return max(equals, key=lambda reading: of_days[reading].of_the_days)


def _readings(look: Look) -> Iterator[_Reading]:
    """Every way to read the column as times; its values alone can tell which is right."""
    column = sql_name(look.name)
    ways: list[str] = []
    if look.is_text or look.time_type is not None:
        ways = [text_as(look.name, "TIMESTAMP"), *(f"strptime({column}, '{form}')" for form in _FORMS)]
        ways += [way.format(f"cast({column} as bigint)") for way in _WHOLE]
    elif look.is_stamp:
        ways = [column]
    elif look.type == "DATE":
        ways = [f"cast({column} as timestamp)"]
    elif look.is_whole:
        # Microseconds are beyond INTEGER.
        column = column if look.type == "BIGINT" else f"cast({column} as bigint)"
        ways = [way.format(column) for way in _WHOLE] + [
            f"strptime(cast({column} as varchar), '{_FORMS[0]}')"
        ]
    elif look.is_fraction:
        column = column if look.type == "DOUBLE" else f"cast({column} as double)"
        ways = [way.format(column) for way in _FRACTION]
    yield from (_Reading(look, way) for way in ways)


def _plain(connection: Database, view: str, reading: _Reading) -> str:
    """The reading's SQL; of text with a cast alone, a shorter one where no text, or every one, has an offset."""
    name = reading.look.name
    if reading.sql != text_as(name, "TIMESTAMP"):
        return reading.sql
    (found,) = connection.rows(
        f"select count(*) filter ({has_offset(name)}) as having, "
        f"count(*) filter (not {has_offset(name)}) as lacking from {view}",
    )
    if not found["having"]:
        return f"cast({sql_name(name)} as timestamp)"
    return (
        reading.sql
        if found["lacking"]
        else f"make_timestamp(epoch_us(cast({sql_name(name)} as timestamptz)))"
    )


def _counts(
    connection: Database, source: str, readings: Sequence[_Reading], days: Sequence[date]
) -> dict[_Reading, _Counts]:
    """Of each reading, how many values are times, and of which days."""
    if not readings:
        return {}
    read = ", ".join(f"try({reading.in_utc}) as t{n}" for n, reading in enumerate(readings))
    counts = ", ".join(
        f"count(t{n}) as n{n}_times, count(*) filter (cast(t{n} as date) = $day) as n{n}_day, "
        f"count(*) filter (cast(t{n} as date) between $first and $last) as n{n}_days, "
        f"count(*) filter (t{n} = date_trunc('day', t{n})) as n{n}_midnight"
        for n in range(len(readings))
    )
    margin = timedelta(days=1)
    limits = {"day": days[-1], "first": days[0] - margin, "last": days[-1] + margin}
    (found,) = connection.rows(
        f"select count(*) as size, {counts} from (select {read} from {source})", limits
    )
    return {
        reading: _Counts(
            found["size"], *(found[f"n{n}_{what}"] or 0 for what in ("times", "day", "days", "midnight"))
        )
        for n, reading in enumerate(readings)
    }
