"""Which column plays which part of the log contract, by its name, its type and its values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtmd.errors import LogsError
from mtmd.logs.sql import quoted
from mtmd.project.engine import Connection, rows
from mtmd.project.proposal.looks import Look, LookedAt
from mtmd.project.proposal.names import preset_names, sql_domain, sql_name, tokens

_WORDS = {  # of column names, the likeliest first
    "request": ("request", "req", "query", "auction", "search"),
    "ad": ("ad", "item", "creative", "pin", "product", "document", "doc", "offer"),
    "ts": ("ts", "timestamp", "time", "at", "datetime", "created", "logged"),
    "user": ("user", "member", "viewer", "visitor", "customer", "account", "uid"),
    "surface": ("surface", "placement", "page", "slot", "tab", "inventory", "site", "channel", "context"),
    "product": ("product", "type", "kind", "campaign", "line", "category", "class"),
    "goal": ("goal", "objective", "optimization"),
    "bid": ("bid", "cpc", "price", "value", "budget"),
    "impressed": ("impressed", "impression", "shown", "displayed", "seen", "viewed", "served", "rendered"),
    "position": ("position", "rank", "place", "slot"),
}
_MOST_DOMAINS = 12  # surfaces or products: each one is a tower, and needs rows of its own
_KNOWN = 0.9  # of the ids of candidates: those that no row has are for `mtmd check` to name
_GOALS = {"click", "conversion"}
_EPOCHS = {"make_timestamp({} * 1000000)": 1e9, "make_timestamp_ms({})": 1e12, "make_timestamp({})": 1e15}


@dataclass(frozen=True)
class Key:
    """An id: its column in the table whose rows it names, and in candidates."""

    own: Look
    in_candidates: str


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
class Roles:
    """Columns of the three tables by their part in the contract; None where no column plays it."""

    request: Key
    ad: Key
    ts: str
    """The SQL of the request's time."""
    ts_column: str
    user: Look | None
    surface: Domain
    product: Domain
    goal: Look | None
    bid: Look | None
    impressed: Look | None
    position: Look | None

    @property
    def taken(self) -> dict[str, set[str]]:
        """Names of the columns that play a part, by table."""
        parts = {
            "requests": (self.request.own, self.user, self.surface.look),
            "ads": (self.ad.own, self.product.look, self.goal, self.bid),
            "candidates": (self.impressed, self.position),
        }
        names = {table: {look.name for look in looks if look} for table, looks in parts.items()}
        names["requests"].add(self.ts_column)
        names["candidates"] |= {self.request.in_candidates, self.ad.in_candidates}
        return names


def find_roles(connection: Connection, requests: LookedAt, ads: LookedAt, candidates: LookedAt) -> Roles:
    """The parts that columns of one day play.

    Raises LogsError naming the table where no column can be the id, or the time of a request.
    """
    request = _key(connection, "request", requests, candidates, frozenset())
    ad = _key(connection, "ad", ads, candidates, frozenset({request.in_candidates}))
    ts_column, ts = _time(requests)
    of_requests = [
        look for look in requests.columns.values() if look.name not in {request.own.name, ts_column}
    ]
    of_ads = [look for look in ads.columns.values() if look.name != ad.own.name]
    surface = _named("surface", filter(_is_domain, of_requests))
    product = _named("product", filter(_is_domain, of_ads))
    goal = _named("goal", (look for look in of_ads if set(look.values) and set(look.values) <= _GOALS))
    pairs = list(candidates.columns.values())
    return Roles(
        request=request,
        ad=ad,
        ts=ts,
        ts_column=ts_column,
        user=_user([look for look in of_requests if look.is_key and look is not surface]),
        surface=Domain.of(surface, "everywhere"),
        product=Domain.of(product, "any_ad"),
        goal=goal,
        bid=_named(
            "bid", (look for look in of_ads if (look.is_fraction or look.is_whole) and (look.least or 0) >= 0)
        ),
        impressed=_named("impressed", (look for look in pairs if look.is_truth)),
        position=_named("position", (look for look in pairs if look.is_whole and not look.is_unique)),
    )


def _named(part: str, looks: Iterable[Look]) -> Look | None:
    """The column whose name says the part best; None where no name says it."""
    ranked = [(rank, look) for look in looks if (rank := _rank(part, look.name)) is not None]
    return min(ranked, key=lambda pair: (pair[0], len(pair[1].name)), default=(0, None))[1]


def _user(looks: Sequence[Look]) -> Look | None:
    """A column that ends in id, or is one word, comes first: others, such as user_group, say something of the user."""
    ids = [
        look for look in looks if tokens(look.name)[-1:] in (["id"], ["uid"]) or len(tokens(look.name)) == 1
    ]
    return _named("user", ids) or _named("user", looks)


def _rank(part: str, name: str) -> int | None:
    return next((rank for rank, word in enumerate(_WORDS[part]) if word in tokens(name)), None)


def _is_domain(look: Look) -> bool:
    return look.is_text and look.missing == 0 and 0 < len(look.values) <= _MOST_DOMAINS


def _key(
    connection: Connection, part: str, table: LookedAt, candidates: LookedAt, taken: frozenset[str]
) -> Key:
    """The unique column of a table of which candidates have the values too, nearly all, under whatever name."""
    fitting = [
        Key(own, other.name)
        for own in table.columns.values()
        if own.is_key and own.is_unique
        for other in candidates.columns.values()
        if other.name not in taken and _is_alike(own, other)
        if _holds(connection, table.view, own.name, candidates.view, other.name)
    ]
    if not fitting:
        raise LogsError(
            f"{table.view}: no column is different in every row and has the values of a column of "
            f"{candidates.view}; one must, to join them: deliver the {part}'s id in both tables, in one type"
        )

    def liking(key: Key) -> tuple[bool, int, int]:
        ranks = [
            rank for name in (key.own.name, key.in_candidates) if (rank := _rank(part, name)) is not None
        ]
        return key.own.name != key.in_candidates, -len(ranks), min(ranks, default=99)

    return min(fitting, key=liking)


def _is_alike(own: Look, other: Look) -> bool:
    """Whether two columns may have the same ids; what differs in every row of candidates is rather their own id."""
    same_type = own.type == other.type or (own.is_whole and other.is_whole)
    return same_type and (not other.is_unique or own.name == other.name)


def _holds(connection: Connection, table: str, own: str, candidates: str, other: str) -> bool:
    (found,) = rows(
        connection,
        f"select count(*) as n, count(t.{quoted(own)}) as known from "
        f"(select distinct {quoted(other)} as id from {candidates} where {quoted(other)} is not null) as c "
        f"left join {table} as t on c.id = t.{quoted(own)}",
    )
    return bool(found["known"] >= _KNOWN * found["n"] > 0)


def _time(requests: LookedAt) -> tuple[str, str]:
    """The column with the request's time, and its SQL."""
    times = dict(_times(requests.columns.values()))
    best = _named("ts", (requests.columns[name] for name in times))
    if best is None and len(times) == 1:
        best = requests.columns[next(iter(times))]
    if best is None:
        raise LogsError(
            f"{requests.view}: no column is the request's time; one must be a TIMESTAMP, or count seconds, "
            "milliseconds or microseconds since 1970 and be named after time: deliver it, in UTC"
        )
    return best.name, times[best.name]


def _times(looks: Iterable[Look]) -> Iterator[tuple[str, str]]:
    for look in looks:
        column = sql_name(look.name)
        if look.type.startswith("TIMESTAMP"):
            yield look.name, column
        elif (
            look.is_whole
            and look.least is not None
            and look.most is not None
            and _rank("ts", look.name) is not None
        ):
            for sql, unit in _EPOCHS.items():
                if unit / 2 < look.least <= look.most < unit * 5:
                    yield look.name, sql.format(column)
