"""Which table is which, and which column plays which part of the log contract.

Tables and ids are told by their values: an id is unique in the table whose rows it names, and candidates have ids of
requests and of ads. Other parts are told by types and names. What can't be told is a question.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from itertools import permutations, product
from typing import NamedTuple

from mtmd.extract.database import Database
from mtmd.extras.proposal.tables import Column, Table, named, preset_names, tokens
from mtmd.logs.contract import TABLES, text_time_sql
from mtmd.logs.sql import literal

Said = Mapping[str, Sequence[str]]  # what the user said, by option

_MOSTLY = 0.95  # a few ids of real logs are repeated, or in one table only
_LEAST_SHARE = 0.01  # of a table's ids: fewer values, such as positions, are among them by chance
_MOST_DOMAINS = 12  # surfaces or products: each one is a tower, and needs rows of its own
# Numbers since 1970 from a size on: microseconds, milliseconds, seconds.
_SINCE_1970 = (
    (1e14, "make_timestamp({})"),
    (1e11, "make_timestamp_ms({})"),
    (1e8, "make_timestamp({} * 1000000)"),
)


class Question(NamedTuple):
    """What can't be told, and the option that tells it; none where the logs lack it."""

    option: str
    text: str


class Key(NamedTuple):
    """An id: its column in the table whose rows it names, and in candidates."""

    own: Column
    other: Column


class Joined(NamedTuple):
    """The three tables, the ids that join them, and the column of times."""

    requests: Table
    ads: Table
    candidates: Table
    request: Key
    ad: Key
    time: Column


def join(database: Database, tables: Sequence[Table], day: date) -> list[Joined]:
    """All ways in which tables can be requests, ads and candidates."""
    ids = {table.view: _unique(database, table) for table in tables}
    keys = {
        (table.view, other.view): _key(database, table, other, ids[other.view])
        for table, other in permutations(tables, 2)
    }
    times = {table.view: _time(database, table, day) for table in tables}
    ways = []
    for requests, ads, candidates in permutations(tables, 3):
        request, ad = keys[candidates.view, requests.view], keys[candidates.view, ads.view]
        time = times[requests.view]
        if request and ad and time and request.other != ad.other:
            ways.append(Joined(requests, ads, candidates, request, ad, time))
    # A request is of one day only.
    return [way for way in ways if not _recurs(database, way.requests, way.request.own)] or ways


def choose(
    ways: Sequence[Joined], tables: Sequence[Table], said: Said
) -> tuple[Sequence[Joined], list[Question]]:
    """The ways that have the tables that are said; and questions, for each table that differs between them."""
    if not ways:
        seen = "; ".join(f"{table.place.template} has {', '.join(table.columns)}" for table in tables)
        return [], [
            Question("", f"no table has ids of two others, of which one has times of its day: {seen}")
        ]
    asked = []
    for part in TABLES:
        places = {getattr(way, part).place.template for way in ways}
        chosen = {one for one in places if any(fnmatch(one, f"*{word}*") for word in said.get(part, "*"))}
        if len(chosen) != 1:
            wrong = "".join(f", not {word}" for word in said.get(part, ()))
            asked.append(Question(part, f"which table is {part}: {' or '.join(sorted(places))}{wrong}"))
        ways = [way for way in ways if getattr(way, part).place.template in chosen] or ways
    return ways, asked


def _unique(database: Database, table: Table) -> list[tuple[Column, int]]:
    """The columns that can be the ids of a table's rows, with the number of values."""
    keys = [column for column in table.columns.values() if column.is_key and column.distinct > 1]
    asked = ", ".join(f"count(distinct {key.sql})" for key in keys)
    rows = database.rows(f"select count(*), {asked} from {table.newest}") if keys else [{"n": 0}]
    n, *distinct = rows[0].values()
    return [(key, found) for key, found in zip(keys, distinct, strict=True) if found >= _MOSTLY * n]


def _key(database: Database, table: Table, other: Table, ids: Sequence[tuple[Column, int]]) -> Key | None:
    """An id of the other table, and the column of this one whose values are among it; None without both.

    Of several, best one of the same name, then the one with the most values.
    """
    found = []
    for (own, size), column in product(ids, table.columns.values()):
        if not column.is_key or column.distinct < 2 or (column.kind == "whole") != (own.kind == "whole"):
            continue
        (row,) = database.rows(
            f"with ids as (select distinct cast({own.sql} as varchar) as id from {other.newest}), "
            f"held as (select distinct cast({column.sql} as varchar) as id from {table.newest}) "
            "select count(held.id) as n, count(ids.id) as known from held left join ids using (id)"
        )
        alike, known = column.name == own.name, row["known"]
        if known >= _MOSTLY * row["n"] and (alike or known >= _LEAST_SHARE * size):
            found.append((alike, known, Key(own, column)))
    return max(found, key=lambda one: one[:2], default=(False, 0, None))[2]


def _recurs(database: Database, table: Table, key: Column) -> bool:
    """Whether ids of the newest day are those of earlier days too, as ids of ads are."""
    (row,) = database.rows(
        f"select count(*) as n, count(distinct {key.sql}) as ids, (select count(*) from {table.newest}) as of_day "
        f"from {table.view}"
    )
    return bool(row["n"] > row["of_day"] and row["ids"] < _MOSTLY * row["n"])


def _time(database: Database, table: Table, day: date) -> Column | None:
    """The column of times that are of the table's day; the best by its name, where there are several."""
    columns = [column for column in table.columns.values() if time_sql(column)]
    found = []
    for column in columns:
        (row,) = database.rows(
            f"select count(*) filter (try(cast({time_sql(column)} as date)) = $day) as of_day, count(*) as n "
            f"from {table.newest}",
            {"day": day},
        )
        if row["of_day"] > row["n"] / 2:  # in another zone, some are of another day
            found.append(column)
    return named("ts", found) or next(iter(found), None)


@dataclass(frozen=True)
class Domain:
    """Surfaces or products: their column, what the preset calls each of its values, and SQL of that name.

    Without a column all rows have one name.
    """

    column: Column | None
    names: Mapping[str, str]
    sql: str


class Roles(NamedTuple):
    """Columns of joined tables by the part that they play; None where none does."""

    surface: Domain
    product: Domain
    user: Column | None
    bid: Column | None
    shown: Column | None


def find_roles(database: Database, joined: Joined) -> Roles:
    """The parts that columns play, beside ids and times."""
    of_requests = joined.requests.beside(joined.request.own, joined.time)
    of_ads = joined.ads.beside(joined.ad.own)
    pairs = joined.candidates.beside(joined.request.other, joined.ad.other)
    surface = _domain(database, joined.requests, "surface", of_requests, "everywhere")
    keys = [column for column in of_requests if column.is_key and column != surface.column]
    ids = [one for one in keys if tokens(one.name)[-1:] in (["id"], ["uid"]) or len(tokens(one.name)) == 1]
    return Roles(
        surface,
        _domain(database, joined.ads, "product", of_ads, "any_ad"),
        user=named("user", ids) or named("user", keys),
        bid=named("bid", (one for one in of_ads if one.least is not None and one.least >= 0)),
        shown=named("impressed", (one for one in pairs if one.is_flag)),
    )


def _domain(database: Database, table: Table, part: str, columns: Iterable[Column], otherwise: str) -> Domain:
    """A text of few values without nulls."""
    few = (one for one in columns if one.kind == "text" and not one.nulls and one.distinct <= _MOST_DOMAINS)
    if (column := named(part, few)) is None:
        return Domain(None, preset_names([otherwise]), literal(otherwise))
    found = database.rows(
        f"select cast({column.sql} as varchar) as v from {table.view} group by 1 order by count(*) desc, 1"
    )
    names = preset_names(row["v"] for row in found)
    cases = (f"when {literal(value)} then {literal(name)}" for value, name in names.items())
    same = all(value == name for value, name in names.items())
    return Domain(
        column, names, column.sql if same else f"case {column.sql} {' '.join(cases)} else {column.sql} end"
    )


def time_sql(column: Column) -> str | None:
    """How a column is read as a TIMESTAMP; None where it can't be one."""
    if column.kind in {"whole", "fraction"}:
        way = next((way for least, way in _SINCE_1970 if (column.least or 0) > least), None)
        whole = f"floor({column.sql})" if column.kind == "fraction" else column.sql  # a cast would round up
        return way and way.format(f"cast({whole} as bigint)")
    if column.kind == "time" and column.type.startswith("VARCHAR"):
        return text_time_sql(column.sql)
    return column.sql if column.type.startswith("TIMESTAMP") and column.kind == "time" else None
