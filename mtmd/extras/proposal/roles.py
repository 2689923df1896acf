"""Which column plays which part of the log contract, and which are a score and its label: by name and type."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from mtmd.errors import LogsError
from mtmd.extract.database import Database
from mtmd.extras.proposal.columns import Column, Table, preset_names, rank_of, sql_as, tokens
from mtmd.logs.contract import text_time_sql
from mtmd.logs.sql import literal

_MOST_DOMAINS = 12  # surfaces or products: each one is a tower, and needs rows of its own
# Numbers since 1970 from a size on: microseconds, milliseconds, seconds.
_SINCE_1970 = (
    (1e14, "make_timestamp({})"),
    (1e11, "make_timestamp_ms({})"),
    (1e8, "make_timestamp({} * 1000000)"),
)
_OF_SCORES = {"p", "pr", "pred", "predicted", "prediction", "score", "prob", "probability", "model", "rate"}
_ALSO_CALLED = {"ctr": "click", "cvr": "conversion", "vtr": "view", "str": "save"}
_LEAST_ALIKE = 0.5


@dataclass(frozen=True)
class Key:
    """An id: its column in the table whose rows it names, and in candidates."""

    own: Column
    other: Column

    @property
    def kind(self) -> str:
        """The type that both are read as."""
        return self.own.id_type if self.own.id_type == self.other.id_type else "VARCHAR"


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
        if any(of_logs != named for of_logs, named in self.names.items()):
            cases = (
                f"when {literal(of_logs)} then {literal(named)}" for of_logs, named in self.names.items()
            )
            value = f"case {value} {' '.join(cases)} else {value} end"
        return sql_as(value, name)


@dataclass(frozen=True)
class Roles:
    """Columns of the three tables by their part in the contract; None where no column plays it."""

    request: Key
    ad: Key
    time: Column
    user: Column | None
    surface: Domain
    product: Domain
    goal: Domain
    bid: Column | None
    impressed: Column | None
    position: Column | None

    @property
    def taken(self) -> dict[str, set[str]]:
        """Names of the columns that play a part, by table."""
        parts = {
            "requests": (self.request.own, self.user, self.surface.column, self.time),
            "ads": (self.ad.own, self.product.column, self.bid),
            "candidates": (self.request.other, self.ad.other, self.impressed, self.position),
        }
        return {table: {column.name for column in found if column} for table, found in parts.items()}


def find_roles(database: Database, requests: Table, ads: Table, candidates: Table) -> Roles:
    """The parts that columns play. Raises LogsError where no column can be an id, or the time of a request."""
    request = _key("request", requests, candidates.beside(()))
    ad = _key("ad", ads, candidates.beside({request.other.name}))
    times = (column for column in requests.beside({request.own.name}) if time_sql(column))
    time = _needed("ts", times, "times, as TIMESTAMP, as text, or as numbers since 1970", requests)
    of_requests, of_ads = requests.beside({request.own.name, time.name}), ads.beside({ad.own.name})
    pairs = candidates.beside({request.other.name, ad.other.name})
    surface = _domain(database, requests, "surface", of_requests, "everywhere")
    users = [column for column in of_requests if column.is_key and column != surface.column]
    ids = [one for one in users if tokens(one.name)[-1:] in (["id"], ["uid"]) or len(tokens(one.name)) == 1]
    return Roles(
        request=request,
        ad=ad,
        time=time,
        user=_named("user", ids) or _named("user", users),
        surface=surface,
        product=_domain(database, ads, "product", of_ads, "any_ad"),
        goal=_domain(database, ads, "goal", of_ads, "click"),
        bid=_named("bid", (one for one in of_ads if one.least is not None and one.least >= 0)),
        impressed=_named("impressed", (one for one in pairs if one.is_truth and one.most != 0)),
        position=_named("position", (one for one in pairs if one.is_whole)),
    )


def time_sql(column: Column) -> str | None:
    """How a column is read as a TIMESTAMP; None where it can't be one."""
    if column.type.startswith("TIMESTAMP") and column.element is None:
        return column.sql
    if column.is_text and column.is_time:
        return text_time_sql(column.sql)
    if column.is_whole or column.is_fraction:
        way = next((way for least, way in _SINCE_1970 if (column.least or 0) > least), None)
        return way and way.format(column.sql if column.type == "BIGINT" else f"cast({column.sql} as bigint)")
    return None


def _named(part: str, columns: Iterable[Column]) -> Column | None:
    """The column whose name says the part best; None where no name says it."""
    ranked = ((rank, column) for column in columns if (rank := rank_of(part, column.name)) is not None)
    return min(ranked, key=lambda pair: (pair[0], len(pair[1].name)), default=(0, None))[1]


def _needed(part: str, columns: Iterable[Column], what: str, table: Table) -> Column:
    if (column := _named(part, columns)) is None:
        raise LogsError(
            f"{table.view} has {', '.join(table.columns)}: no column of {what} is the {part} by its name",
            f"deliver it, or call it {part}",
        )
    return column


def _key(part: str, table: Table, of_candidates: Iterable[Column]) -> Key:
    """The id of a table's rows, and the column of candidates that has it too: best one of the same name."""
    others = {column.name: column for column in of_candidates if column.is_key}
    keys = [column for column in table.beside(()) if column.is_key]
    shared = _named(part, (column for column in keys if column.name in others))
    own = shared or _needed(part, keys, "ids (numbers, text or UUIDs)", table)
    if shared:
        return Key(own, others[own.name])
    return Key(own, _needed(part, others.values(), f"ids of {table.view}", Table("candidates", others)))


def _domain(database: Database, table: Table, part: str, columns: Iterable[Column], otherwise: str) -> Domain:
    """A text of few values without nulls; without such a column, `otherwise` is the one name."""
    few = (one for one in columns if one.is_text and not one.nulls and 0 < one.distinct <= _MOST_DOMAINS)
    if (column := _named(part, few)) is None:
        return Domain(None, preset_names([otherwise]))
    found = database.rows(
        f"select cast({column.sql} as varchar) as v from {table.view} group by 1 order by count(*) desc, 1"
    )
    return Domain(column, preset_names(row["v"] for row in found))


@dataclass(frozen=True)
class ProposedTask:
    """A score, the label that says what happened, the score's mean, and the task that it happens after.

    `products` are those that have the task; None for all.
    """

    score: Column
    label: Column
    mean: float
    parent: str | None = None
    products: tuple[str, ...] | None = None


def find_tasks(database: Database, roles: Roles, ads: Table, candidates: Table) -> list[ProposedTask]:
    """The tasks of the newest day's candidates, the likeliest action first; a score without a label is none.

    Raises LogsError where there is no score, or none with a label.
    """
    free = candidates.beside(roles.taken["candidates"])
    scores = [
        one
        for one in free
        if one.is_fraction and one.least is not None and 0 <= one.least <= (one.most or 0.0) <= 1
    ]
    labels = [one for one in free if one.is_truth and one.least != 1]  # not a version, 1 in every row
    if not scores:
        raise LogsError(
            f"{candidates.view}: no column has numbers between 0 and 1; the heavyweight ranker's scores are what a "
            "model learns from",
            "deliver one column for each task",
        )
    tasks = _pairs(database, candidates, scores, labels)
    if not tasks:
        raise LogsError(
            f"{candidates.view}: no column of true and false, or of 1 and 0, is the action of a score "
            f"({', '.join(one.name for one in scores)})",
            "deliver what really happened to the ads that were shown, one column for each task",
        )
    tasks.sort(key=lambda task: -task.mean)
    having = _products(database, roles, ads, candidates, tasks)
    return [
        replace(task, parent=_parent(database, candidates, task, tasks), products=products)
        for task, products in zip(tasks, having, strict=True)
    ]


def _pairs(
    database: Database, candidates: Table, scores: Sequence[Column], labels: Sequence[Column]
) -> list[ProposedTask]:
    """Each score with the label that is most like it in name; each is used once."""
    asked = ", ".join(f"avg({score.sql}) as m{n}" for n, score in enumerate(scores))
    (means,) = database.rows(f"select {asked} from {candidates.view}")
    alike = {
        (i, j): _alike(score.name, label.name)
        for i, score in enumerate(scores)
        for j, label in enumerate(labels)
    }
    pairs: dict[int, int] = {}
    for i, j in sorted(alike, key=lambda pair: -alike[pair]):
        if i not in pairs and j not in pairs.values() and alike[i, j] >= _LEAST_ALIKE:
            pairs[i] = j
    return [ProposedTask(scores[i], labels[j], float(means[f"m{i}"] or 0)) for i, j in pairs.items()]


def _alike(score: str, label: str) -> float:
    words = [word for word in tokens(score) if word not in _OF_SCORES] or tokens(score)
    named = "".join(_ALSO_CALLED.get(word, word) for word in words)
    return SequenceMatcher(None, named, "".join(tokens(label))).ratio()


def _parent(
    database: Database, candidates: Table, task: ProposedTask, tasks: Sequence[ProposedTask]
) -> str | None:
    """The least likely action that always comes with this one, and whose score is never below this one's."""
    happened = task.label.truth
    for other in sorted((one for one in tasks if one.mean > task.mean), key=lambda one: one.mean):
        against = f"({happened} and not {other.label.truth}) or {task.score.sql} > {other.score.sql}"
        (found,) = database.rows(
            f"select count(*) filter ({happened}) as size, count(*) filter ({against}) as against "
            f"from {candidates.view}"
        )
        if found["size"] and not found["against"]:
            return other.score.name
    return None


def _products(
    database: Database, roles: Roles, ads: Table, candidates: Table, tasks: Sequence[ProposedTask]
) -> list[tuple[str, ...] | None]:
    """Of each task, the products that have a score at all; None where all do."""
    product, names = roles.product.column, roles.product.names
    if product is None:
        return [None] * len(tasks)
    asked = ", ".join(f"count(c.{task.score.sql}) as n{n}" for n, task in enumerate(tasks))
    found = database.rows(
        f"select a.{product.sql} as product, {asked} from {candidates.view} as c join {ads.view} as a "
        f"on cast(c.{roles.ad.other.sql} as varchar) = cast(a.{roles.ad.own.sql} as varchar) group by 1"
    )
    having = [{str(row["product"]) for row in found if row[f"n{n}"]} for n in range(len(tasks))]
    return [None if len(h) == len(found) else tuple(names[p] for p in names if p in h) for h in having]
