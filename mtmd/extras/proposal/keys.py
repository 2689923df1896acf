"""Which columns join the three tables: the id of requests, and the id of ads, each in two tables and one type."""

from collections.abc import Iterator
from dataclasses import dataclass

from mtmd.extras.proposal.looks import BEYOND_BIGINT, Look, LookedAt
from mtmd.extras.proposal.names import rank_of, sql_as
from mtmd.extras.proposal.unjoined import why_unjoined
from mtmd.logs.sql import sql_name
from mtmd.validate.gx_duckdb import Database

_KNOWN = 0.9  # of the ids of candidates: those that no row has are for `mtmd check` to name


@dataclass(frozen=True)
class Key:
    """An id: its column in the table whose rows it names, and in candidates; and the type that both are read as."""

    own: Look
    other: Look
    kind: str

    @property
    def in_candidates(self) -> str:
        """The column's name there."""
        return self.other.name


def id_type(look: Look) -> str:
    """What the preset calls the type of an id."""
    if look.has_whole_values and look.type not in BEYOND_BIGINT:
        return "BIGINT"
    return "UUID" if look.type == "UUID" else "VARCHAR"


def id_sql(look: Look, kind: str, name: str) -> str:
    """SQL of the contract's column `name` for an id that a preset declares as `kind`."""
    value = _as_kind(look, kind)
    return sql_as(look.name, name) if value == sql_name(look.name) else f"{value} as {name}"


def find_key(
    connection: Database, part: str, table: LookedAt, candidates: LookedAt, taken: frozenset[str]
) -> Key:
    """The unique column of a table of which candidates have the values too, nearly all, under whatever name and type.

    Raises LogsError, saying what keeps the likeliest columns from it, where there is none.
    """
    others = [look for look in candidates.columns.values() if look.name not in taken and look.is_key]
    fitting = [
        Key(own, other, kind)
        for own in table.columns.values()
        if own.is_key and own.is_unique
        for other in others
        if (not other.is_unique or own.name == other.name)  # what differs in every row is rather their own id
        and other.distinct * _KNOWN <= own.distinct
        for kind in _kinds(own, other)
        if _holds(connection, table.view, _joined(own, kind), candidates.view, _joined(other, kind))
    ]
    if not fitting:
        raise why_unjoined(connection, part, table, candidates, others)

    def liking(key: Key) -> tuple[bool, int, int, bool]:
        ranks = [rank for look in (key.own, key.other) if (rank := rank_of(part, look.name)) is not None]
        return (
            key.own.name != key.in_candidates, -len(ranks), min(ranks, default=99), key.kind != id_type(key.own)
        )  # fmt: skip

    return min(fitting, key=liking)


def _kinds(own: Look, other: Look) -> Iterator[str]:
    """Types of ids as which two columns may be equal, the likeliest first."""
    if own.has_whole_values and other.has_whole_values:
        yield "VARCHAR" if BEYOND_BIGINT & {own.type, other.type} else "BIGINT"
    elif "UUID" in {own.type, other.type}:
        if not (own.has_whole_values or other.has_whole_values):
            yield "UUID"
    else:
        yield "VARCHAR"
        if own.is_text and other.is_text:
            yield "UUID"  # in upper case on one side


def _as_kind(look: Look, kind: str) -> str:
    """SQL of a column's ids as they are read by a preset that declares them so."""
    column = sql_name(look.name)
    if kind == "BIGINT":
        return look.whole("bigint") if look.is_fraction else column
    if kind == "VARCHAR" and not look.is_text:
        return f"cast({look.whole('bigint') if look.is_fraction else column} as varchar)"
    return column


def _joined(look: Look, kind: str) -> str:
    """SQL of what is compared: of UUIDs their text as the daily job reads it."""
    value = _as_kind(look, kind)
    return (
        f"coalesce(cast(try_cast({value} as uuid) as varchar), cast({value} as varchar))"
        if kind == "UUID"
        else value
    )


def _holds(connection: Database, table: str, own: str, candidates: str, other: str) -> bool:
    (found,) = connection.rows(
        f"select count(*) as n, count(t.id) as known from "
        f"(select distinct {other} as id from {candidates} where {other} is not null) as c "
        f"left join (select {own} as id from {table}) as t on c.id = t.id",
    )
    return bool(found["known"] >= _KNOWN * found["n"] > 0)
