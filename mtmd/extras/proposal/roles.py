"""Which column plays which part of the log contract, by its name, its type and its values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mtmd.errors import LogsError
from mtmd.extras.proposal.looks import BEYOND_BIGINT, Look, LookedAt
from mtmd.extras.proposal.names import preset_names, rank_of, sql_as, sql_domain, tokens
from mtmd.logs.columns import text_as
from mtmd.logs.sql import sql_name
from mtmd.validate.gx_duckdb import Database

_MOST_DOMAINS = 12  # surfaces or products: each one is a tower, and needs rows of its own
_GOALS = {"click", "conversion"}
_KNOWN = 0.9  # of the ids of candidates, and of the times of requests: `mtmd check` names the others
_OF_WHOLE = ("make_timestamp({} * 1000000)", "make_timestamp_ms({})", "make_timestamp({})")
_OF_FRACTION = ("make_timestamp(cast({} * 1000000 as bigint))", "make_timestamp_ms(cast({} as bigint))")
_FORMS = (  # of times as text, beside those that DuckDB casts
    "%Y%m%d%H%M%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
)  # fmt: skip

# of a reading: share of times of the newest day, of all days; whether it has hours; its column and SQL
_Rated = tuple[float, float, bool, Look, str]


@dataclass(frozen=True)
class Key:
    """An id: its column in the table whose rows it names, and in candidates; and the type that both are read as."""

    own: Look
    other: Look
    kind: str


@dataclass(frozen=True)
class Domain:
    """Surfaces or products: the column that says which, and what the preset calls each of its values.

    Without a column all rows have one name.
    """

    look: Look | None
    names: Mapping[str, str]

    @classmethod
    def of(cls, look: Look | None, otherwise: str) -> "Domain":
        """`otherwise` is the one name where there is no column."""
        return cls(look, preset_names(look.values) if look else {otherwise: otherwise})

    def sql(self, name: str) -> str:
        """The contract's column."""
        if self.look is None:
            return f"'{next(iter(self.names))}' as {name}"
        return sql_domain(self.look.name, self.names, name)


@dataclass(frozen=True)
class Time:
    """The time of a request: its column, and SQL that reads it; columns that have times of the days as well."""

    look: Look
    sql: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """Columns of the three tables by their part in the contract; None where no column plays it."""

    request: Key
    ad: Key
    time: Time
    user: Look | None
    surface: Domain
    product: Domain
    goal: Look | None
    bid: Look | None
    impressed: Look | None
    position: Look | None
    explored: Look | None

    @property
    def taken(self) -> dict[str, set[str]]:
        """Names of the columns that play a part, by table."""
        parts = {
            "requests": (self.request.own, self.user, self.surface.look, self.time.look),
            "ads": (self.ad.own, self.product.look, self.goal, self.bid),
            "candidates": (self.request.other, self.ad.other, self.impressed, self.position, self.explored),
        }
        return {table: {look.name for look in looks if look} for table, looks in parts.items()}


def id_type(look: Look) -> str:
    """What the preset calls the type of an id."""
    if look.has_whole_values and look.type not in BEYOND_BIGINT:
        return "BIGINT"
    return "UUID" if look.type == "UUID" else "VARCHAR"


def id_sql(look: Look, kind: str, name: str) -> str:
    """SQL of the contract's column `name` for an id that a preset declares as `kind`."""
    value = _as_kind(look, kind)
    return sql_as(look.name, name) if value == sql_name(look.name) else f"{value} as {name}"


def find_roles(
    database: Database, requests: LookedAt, ads: LookedAt, candidates: LookedAt, days: Sequence[date]
) -> Roles:
    """The parts that columns of the newest day play.

    Raises LogsError naming the table where no column can be the id, or the time of a request.
    """
    request = _find_key(database, "request", requests, candidates, "")
    ad = _find_key(database, "ad", ads, candidates, request.other.name)
    time = _find_time(database, requests, request.own.name, days)
    times = {request.own.name, time.look.name, *time.others}
    of_requests = [look for look in requests.columns.values() if look.name not in times]
    of_ads = [look for look in ads.columns.values() if look.name != ad.own.name]
    pairs = [
        look for look in candidates.columns.values() if look.name not in {request.other.name, ad.other.name}
    ]
    surface = _named("surface", filter(_is_domain, of_requests))
    numbers = (look for look in of_ads if (look.is_fraction or look.is_whole) and (look.least or 0) >= 0)
    return Roles(
        request=request,
        ad=ad,
        time=time,
        user=_user([look for look in of_requests if look.is_key and look is not surface]),
        surface=Domain.of(surface, "everywhere"),
        product=Domain.of(_named("product", filter(_is_domain, of_ads)), "any_ad"),
        goal=_named("goal", (look for look in of_ads if look.values and set(look.values) <= _GOALS)),
        bid=_named("bid", numbers),
        impressed=_named("impressed", (look for look in pairs if look.is_truth and look.most != 0)),
        position=_named("position", (look for look in pairs if look.has_whole_values)),
        explored=_named("explored", (look for look in pairs if look.is_truth)),
    )


def _named(part: str, looks: Iterable[Look]) -> Look | None:
    """The column whose name says the part best; None where no name says it."""
    ranked = [(rank, look) for look in looks if (rank := rank_of(part, look.name)) is not None]
    return min(ranked, key=lambda pair: (pair[0], len(pair[1].name)), default=(0, None))[1]


def _user(looks: Sequence[Look]) -> Look | None:
    """A column that ends in id, or is one word, comes first: others, such as user_group, say something of the user."""
    ids = [k for k in looks if tokens(k.name)[-1:] in (["id"], ["uid"]) or len(tokens(k.name)) == 1]
    return _named("user", ids) or _named("user", (look for look in looks if not look.is_fraction))


def _is_domain(look: Look) -> bool:
    return look.is_text and look.missing == 0 and 0 < len(look.values) <= _MOST_DOMAINS


def _find_key(database: Database, part: str, table: LookedAt, candidates: LookedAt, taken: str) -> Key:
    """The unique column of a table of which candidates have the values too, nearly all, under whatever name and type.

    Raises LogsError with the likeliest columns where there is none.
    """
    (size,) = database.rows(f"select count(*) as n from {table.view}")
    others = [look for look in candidates.columns.values() if look.name != taken and look.is_key]
    tried = [
        (_share(database, table.view, candidates.view, own, other, kind), Key(own, other, kind))
        for own in table.columns.values()
        if own.is_key and own.of_a_day == size["n"]
        for other in others
        if other.of_a_day * _KNOWN <= own.of_a_day
        for kind in _kinds(own, other)
    ]
    fitting = [key for share, key in tried if share >= _KNOWN]
    if not fitting:
        best = max(tried, key=lambda pair: (pair[0], -_rank(part, pair[1])), default=None)
        nearest = (
            "no column has another value in every row"
            if best is None
            else f"the nearest is {best[1].own.name} ({best[1].own.type}), which has {best[0]:.0%} of the ids of "
            f"{candidates.view}.{best[1].other.name} ({best[1].other.type})"
        )
        raise LogsError(
            f"{table.view}: no column is the {part}'s id: one is needed that has another value in every row, and at "
            f"least {_KNOWN:.0%} of the values of a column of {candidates.view}; {nearest}",
            f"deliver the {part}'s id in both tables, written alike, of the same day",
        )
    return min(
        fitting,
        key=lambda key: (key.own.name != key.other.name, _rank(part, key), key.kind != id_type(key.own)),
    )


def _rank(part: str, key: Key) -> int:
    """How well the names of both columns say the part; 0 is best."""
    ranks = [rank for look in (key.own, key.other) if (rank := rank_of(part, look.name)) is not None]
    return min(ranks, default=99) + 100 * (2 - len(ranks))


def _kinds(own: Look, other: Look) -> Iterator[str]:
    """Types of ids as which two columns may be equal, the likeliest first."""
    if own.has_whole_values and other.has_whole_values:
        yield "VARCHAR" if BEYOND_BIGINT & {own.type, other.type} else "BIGINT"
    elif "UUID" in {own.type, other.type}:
        if not (own.has_whole_values or other.has_whole_values):
            yield "UUID"
    else:
        yield "VARCHAR"


def _as_kind(look: Look, kind: str) -> str:
    """SQL of a column's ids as they are read by a preset that declares them so."""
    column = sql_name(look.name)
    if kind == "BIGINT":
        return look.whole("bigint") if look.is_fraction else column
    if kind == "VARCHAR" and not look.is_text:
        return f"cast({look.whole('bigint') if look.is_fraction else column} as varchar)"
    return column


def _share(database: Database, table: str, candidates: str, own: Look, other: Look, kind: str) -> float:
    """Share of the ids of candidates that the table has."""
    ours, theirs = (
        f"cast(try_cast({_as_kind(look, kind)} as uuid) as varchar)"
        if kind == "UUID"
        else _as_kind(look, kind)
        for look in (own, other)
    )
    (found,) = database.rows(
        f"select count(*) as n, count(t.id) as known from "
        f"(select distinct {theirs} as id from {candidates} where {theirs} is not null) as c "
        f"left join (select {ours} as id from {table}) as t on c.id = t.id"
    )
    return found["known"] / found["n"] if found["n"] else 0.0


def _find_time(database: Database, requests: LookedAt, request: str, days: Sequence[date]) -> Time:
    """Of all columns the one with the most times of the newest day, which is the rows' own; among equals by its name.

    Raises LogsError where no column has times of the days.
    """
    ways = [
        (look, sql) for look in requests.columns.values() if look.name != request for sql in _readings(look)
    ]
    found = _times(database, requests.view, [sql for _, sql in ways], days[-1])
    over = _times(database, requests.over_days, [sql for _, sql in ways], days[-1], since=days[0])
    best: dict[str, _Rated] = {}
    for n, (look, sql) in enumerate(ways):
        of_day, at_midnight = found[n]
        candidate = (of_day, over[n][0], not at_midnight, look, sql)
        if (of_day or look.is_stamp) and (look.name not in best or candidate[:3] > best[look.name][:3]):
            best[look.name] = candidate
    fitting = [time for time in best.values() if time[0] >= _KNOWN]
    if not fitting:  # of another day altogether: still the time, and the check says that its days are wrong
        fitting = [time for time in best.values() if time[3].is_stamp]
    if not fitting:
        raise LogsError(
            f"{requests.view}: no column is the request's time: none has times of {days[-1]}, as TIMESTAMP, as text, "
            "or as seconds, milliseconds or microseconds since 1970",
            "deliver it, in UTC",
        )

    def liking(time: _Rated) -> tuple[bool, float, int]:
        rank = rank_of("ts", time[3].name)
        return not time[2], -time[0], 99 if rank is None else rank

    chosen, *others = sorted(fitting, key=liking)
    return Time(chosen[3], chosen[4], tuple(other[3].name for other in others))


def _readings(look: Look) -> Iterator[str]:
    """Every way to read the column as times; its values alone can tell which is right."""
    column = sql_name(look.name)
    if look.is_text:
        yield f"cast({column} as timestamp)"
        yield text_as(look.name, "TIMESTAMP")
        yield from (f"strptime({column}, '{form}')" for form in _FORMS)
    elif look.is_stamp:
        yield column
    elif look.type == "DATE":
        yield f"cast({column} as timestamp)"
    elif look.is_whole:
        whole = (
            column if look.type == "BIGINT" else f"cast({column} as bigint)"
        )  # microseconds are beyond INTEGER
        yield from (way.format(whole) for way in _OF_WHOLE)
    elif look.is_fraction:
        number = column if look.type == "DOUBLE" else f"cast({column} as double)"
        yield from (way.format(number) for way in _OF_FRACTION)


def _times(
    database: Database, view: str, ways: Sequence[str], day: date, since: date | None = None
) -> list[tuple[float, bool]]:
    """Of each reading the share of rows that are times of the days, and whether all its times are midnight."""
    if not ways:
        return []
    read = ", ".join(f"try({_in_utc(way)}) as t{n}" for n, way in enumerate(ways))
    asked = ", ".join(
        f"count(*) filter (cast(t{n} as date) between $first and $last) as n{n}, "
        f"count(*) filter (t{n} != date_trunc('day', t{n})) as m{n}"
        for n in range(len(ways))
    )
    limits = {"first": day if since is None else since - timedelta(days=1), "last": day}
    (found,) = database.rows(f"select count(*) as size, {asked} from (select {read} from {view})", limits)
    return [(found[f"n{n}"] / found["size"], not found[f"m{n}"]) for n in range(len(ways))]


def _in_utc(way: str) -> str:
    """A cast of a time with a zone would use this machine's zone."""
    return f"make_timestamp(epoch_us({way}))" if way.startswith(("cast", '"')) or way.isidentifier() else way
