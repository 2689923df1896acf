"""Which column plays which part of the log contract, by its name, its type and its values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mtmd.extras.proposal.keys import Key, find_key
from mtmd.extras.proposal.looks import Look, LookedAt
from mtmd.extras.proposal.names import preset_names, rank_of, sql_domain, tokens
from mtmd.extras.proposal.times import RequestTime, find_time
from mtmd.validate.gx_duckdb import Database

_MOST_DOMAINS = 12  # surfaces or products: each one is a tower, and needs rows of its own
_GOALS = {"click", "conversion"}


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
    time: RequestTime
    user: Look | None
    surface: Domain
    product: Domain
    goal: Look | None
    bid: Look | None
    impressed: Look | None
    position: Look | None
    explored: Look | None

    @property
    def other_times(self) -> set[str]:
        """Names of columns of requests that have times of the days, but are not the time of the request."""
        return {time.look.name for time in self.time.others}

    @property
    def taken(self) -> dict[str, set[str]]:
        """Names of the columns that play a part, by table."""
        parts = {
            "requests": (self.request.own, self.user, self.surface.look),
            "ads": (self.ad.own, self.product.look, self.goal, self.bid),
            "candidates": (self.impressed, self.position, self.explored),
        }
        names = {table: {look.name for look in looks if look} for table, looks in parts.items()}
        names["requests"].add(self.time.chosen.look.name)
        names["candidates"] |= {self.request.in_candidates, self.ad.in_candidates}
        return names


def find_roles(
    connection: Database, requests: LookedAt, ads: LookedAt, candidates: LookedAt, days: Sequence[date]
) -> Roles:
    """The parts that columns of one day play: the last of the `days` that the logs have.

    Raises LogsError naming the table where no column can be the id, or the time of a request.
    """
    request = find_key(connection, "request", requests, candidates, frozenset())
    ad = find_key(connection, "ad", ads, candidates, frozenset({request.in_candidates}))
    time = find_time(connection, requests, [n for n in requests.columns if n != request.own.name], days)
    times = {time.chosen.look.name, *(other.look.name for other in time.others)}
    of_requests = [look for look in requests.columns.values() if look.name not in {request.own.name, *times}]
    of_ads = [look for look in ads.columns.values() if look.name != ad.own.name]
    surface = _named("surface", filter(_is_domain, of_requests))
    product = _named("product", filter(_is_domain, of_ads))
    goal = _named("goal", (look for look in of_ads if set(look.values) and set(look.values) <= _GOALS))
    pairs = list(candidates.columns.values())
    return Roles(
        request=request,
        ad=ad,
        time=time,
        user=_user([look for look in of_requests if look.is_key and look is not surface]),
        surface=Domain.of(surface, "everywhere"),
        product=Domain.of(product, "any_ad"),
        goal=goal,
        bid=_named(
            "bid", (look for look in of_ads if (look.is_fraction or look.is_whole) and (look.least or 0) >= 0)
        ),
        impressed=_named("impressed", (look for look in pairs if look.is_truth and look.most != 0)),
        position=_named("position", (look for look in pairs if look.has_whole_values and not look.is_unique)),
        explored=_named("explored", (look for look in pairs if look.is_truth)),
    )


def _named(part: str, looks: Iterable[Look]) -> Look | None:
    """The column whose name says the part best; None where no name says it."""
    ranked = [(rank, look) for look in looks if (rank := rank_of(part, look.name)) is not None]
    return min(ranked, key=lambda pair: (pair[0], len(pair[1].name)), default=(0, None))[1]


def _user(looks: Sequence[Look]) -> Look | None:
    """A column that ends in id, or is one word, comes first: others, such as user_group, say something of the user."""
    ids = [
        look for look in looks if tokens(look.name)[-1:] in (["id"], ["uid"]) or len(tokens(look.name)) == 1
    ]
    return _named("user", ids) or _named("user", (look for look in looks if not look.is_fraction))


def _is_domain(look: Look) -> bool:
    return look.is_text and look.missing == 0 and 0 < len(look.values) <= _MOST_DOMAINS
