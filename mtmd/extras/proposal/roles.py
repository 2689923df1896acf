"""Which column plays which part of the log contract: by its name and type, and the ids and times by their values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from mtmd.errors import LogsError
from mtmd.extras.proposal.columns import Column, Table
from mtmd.extras.proposal.names import NO_WORD, preset_names, rank_of, sql_as, tokens
from mtmd.logs.columns import text_as
from mtmd.logs.sql import literal
from mtmd.validate.gx_duckdb import Database

_MOST_DOMAINS = 12  # surfaces or products: each one is a tower, and needs rows of its own
_GOALS = {"click", "conversion"}
_KNOWN = 0.9  # of the ids of candidates, and of the times of requests: `mtmd check` names the others
# Numbers since 1970 from a size on: microseconds, milliseconds, seconds.
_SINCE_1970 = (
    (1e14, "make_timestamp({})"),
    (1e11, "make_timestamp_ms({})"),
    (1e8, "make_timestamp({} * 1000000)"),
)


@dataclass(frozen=True)
class Key:
    """An id: its column in the table whose rows it names, and in candidates; and the type that both are read as."""

    own: Column
    other: Column
    kind: str


@dataclass(frozen=True)
class Domain:
    """Surfaces or products: the column that says which, and what the preset calls each of its values.

    Without a column all rows have one name.
    """

    column: Column | None
    names: Mapping[str, str]

    def sql(self, name: str) -> str:
        """The contract's column, each value under its name in the preset."""
        if self.column is None:
            return f"{literal(next(iter(self.names)))} as {name}"
        value = self.column.sql
        if any(value_of != named for value_of, named in self.names.items()):
            cases = (
                f"when {literal(value_of)} then {literal(named)}" for value_of, named in self.names.items()
            )
            value = f"case {value} {' '.join(cases)} else {value} end"
        return sql_as(value, name)


@dataclass(frozen=True)
class Roles:
    """Columns of the three tables by their part in the contract; None where no column plays it."""

    request: Key
    ad: Key
    time: Column
    time_sql: str
    user: Column | None
    surface: Domain
    product: Domain
    goal: Column | None
    bid: Column | None
    impressed: Column | None
    position: Column | None
    explored: Column | None

    @property
    def taken(self) -> dict[str, set[str]]:
        """Names of the columns that play a part, by table."""
        parts = {
            "requests": (self.request.own, self.user, self.surface.column, self.time),
            "ads": (self.ad.own, self.product.column, self.goal, self.bid),
            "candidates": (self.request.other, self.ad.other, self.impressed, self.position, self.explored),
        }
        return {table: {column.name for column in found if column} for table, found in parts.items()}


def id_sql(column: Column, kind: str, name: str) -> str:
    """SQL of the contract's column `name` for an id that a preset declares as `kind`."""
    cast = kind == "VARCHAR" and not column.is_text
    return sql_as(f"cast({column.sql} as varchar)" if cast else column.sql, name)


def find_roles(database: Database, requests: Table, ads: Table, candidates: Table, day: date) -> Roles:
    """The parts that columns play on the newest day.

    Raises LogsError naming the table where no column can be the id, or the time of a request.
    """
    request = _key(database, "request", requests, candidates)
    ad = _key(database, "ad", ads, candidates, request.other.name)
    time, time_sql = _time(database, requests, request.own.name, day)
    of_requests = requests.beside({request.own.name, time.name})
    of_ads = ads.beside({ad.own.name})
    pairs = candidates.beside({request.other.name, ad.other.name})
    surface = _domain(database, requests, "surface", of_requests, "everywhere")
    others = [column for column in of_requests if column.is_key and column != surface.column]
    ids = [one for one in others if tokens(one.name)[-1:] in (["id"], ["uid"]) or len(tokens(one.name)) == 1]
    return Roles(
        request=request,
        ad=ad,
        time=time,
        time_sql=time_sql,
        user=_named("user", ids) or _named("user", others),
        surface=surface,
        product=_domain(database, ads, "product", of_ads, "any_ad"),
        goal=_named("goal", (one for one in of_ads if set(_values(database, ads, one)) <= _GOALS)),
        bid=_named(
            "bid", (one for one in of_ads if (one.is_fraction or one.is_whole) and (one.least or 0) >= 0)
        ),
        impressed=_named("impressed", (one for one in pairs if one.is_truth and one.most != 0)),
        position=_named("position", (one for one in pairs if one.is_whole)),
        explored=_named("explored", (one for one in pairs if one.is_truth)),
    )


def _named(part: str, columns: Iterable[Column]) -> Column | None:
    """The column whose name says the part best; None where no name says it."""
    fitting = [column for column in columns if rank_of(part, column.name) < NO_WORD]
    return min(fitting, key=lambda column: (rank_of(part, column.name), len(column.name)), default=None)


def _domain(database: Database, table: Table, part: str, columns: Iterable[Column], otherwise: str) -> Domain:
    """A text of few values without nulls; without such a column, `otherwise` is the one name."""
    few = (one for one in columns if one.is_text and not one.nulls and 0 < one.distinct <= _MOST_DOMAINS)
    column = _named(part, few)
    return Domain(column, preset_names(_values(database, table, column) if column else [otherwise]))


def _values(database: Database, table: Table, column: Column) -> list[str]:
    """All values of a text over the days, the most frequent first; of a column that is no text, its name."""
    if not column.is_text:
        return [column.name]
    found = database.rows(
        f"select cast({column.sql} as varchar) as value from {table.over_days} where {column.sql} is not null "
        f"group by 1 order by count(*) desc, 1 limit {_MOST_DOMAINS + 1}"
    )
    return [row["value"] for row in found]


def _key(database: Database, part: str, table: Table, candidates: Table, taken: str = "") -> Key:
    """The unique column of a table of which candidates have the values too, nearly all; the likeliest names first."""
    keys = [column for column in table.columns.values() if column.is_key]
    asked = ", ".join(f"count(distinct {one.sql}) = count(*) as u{n}" for n, one in enumerate(keys)) or "1"
    (unique,) = database.rows(f"select {asked} from {table.view}")
    pairs = [
        (own, other)
        for n, own in enumerate(keys)
        for other in candidates.columns.values()
        if unique[f"u{n}"] and other.is_key and other.name != taken
    ]
    shares = {}
    for own, other in sorted(pairs, key=lambda pair: _unlikely(part, *pair)):
        share = shares[own.name, other.name] = _share(database, table, candidates, own, other)
        if share >= _KNOWN:
            return Key(own, other, own.id_type if own.id_type == other.id_type else "VARCHAR")
    best = max(shares, key=lambda pair: shares[pair], default=None)
    nearest = f"{best[0]} has {shares[best]:.0%} of {candidates.view}.{best[1]}" if best else "none is unique"
    raise LogsError(
        f"{table.view}: no column is the {part}'s id: one is needed that has another value in every row, and at least "
        f"{_KNOWN:.0%} of the values of a column of {candidates.view}; {nearest}",
        f"deliver the {part}'s id in both tables, written alike, of the same day",
    )


def _unlikely(part: str, own: Column, other: Column) -> tuple[bool, int]:
    """How badly two names say that both columns are the part's id."""
    return own.name != other.name, rank_of(part, own.name) + rank_of(part, other.name)


def _share(database: Database, table: Table, candidates: Table, own: Column, other: Column) -> float:
    """Share of the ids of candidates that the table has."""
    (found,) = database.rows(
        f"select count(*) as n, count(t.id) as known from (select distinct cast({other.sql} as varchar) as id "
        f"from {candidates.view} where {other.sql} is not null) as c "
        f"left join (select cast({own.sql} as varchar) as id from {table.view}) as t on c.id = t.id"
    )
    return found["known"] / found["n"] if found["n"] else 0.0


def _time(database: Database, requests: Table, request: str, day: date) -> tuple[Column, str]:
    """The column whose values are times of the newest day, the likeliest name first, and the SQL that reads it."""
    ways = {column: sql for column in requests.beside({request}) if (sql := _time_sql(column))}
    for column in sorted(ways, key=lambda one: rank_of("ts", one.name)):
        read = f"make_timestamp(epoch_us({ways[column]}))"  # a cast to a date would use this machine's zone
        share = f"count(*) filter (cast(try({read}) as date) = $day) / count(*)"
        (found,) = database.rows(f"select {share} as of_day from {requests.view}", {"day": day})
        if found["of_day"] >= _KNOWN:
            return column, ways[column]
    raise LogsError(
        f"{requests.view}: no column is the request's time: none has times of {day}, as TIMESTAMP, as text, or as "
        "seconds, milliseconds or microseconds since 1970",
        "deliver it, in UTC",
    )


def _time_sql(column: Column) -> str | None:
    """How a column is read as a TIMESTAMP; None where it can't be one."""
    if column.type.startswith("TIMESTAMP") and column.element is None:
        return column.sql
    if column.is_text:
        return text_as(column.name, "TIMESTAMP")
    if column.is_whole or column.is_fraction:
        way = next((way for least, way in _SINCE_1970 if (column.least or 0) > least), None)
        return way and way.format(column.sql if column.type == "BIGINT" else f"cast({column.sql} as bigint)")
    return None
