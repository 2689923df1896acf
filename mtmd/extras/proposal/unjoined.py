"""What keeps a table from being joined with candidates: one error for each cause, with values that show it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mtmd.errors import LogsError
from mtmd.extras.proposal.looks import Look, LookedAt
from mtmd.extras.proposal.names import rank_of
from mtmd.logs.sql import quoted
from mtmd.validate.gx_duckdb import Database

_SAME = 0.9  # of the ids of candidates
_FORMS = {  # how one id is written in two ways, and SQL of what both ways have in common
    "in upper and lower case": "lower({})",
    "with and without leading zeros": "ltrim({}, '0')",
    "with and without spaces around it": "trim({})",
    "with and without hyphens": "replace({}, '-', '')",
    "as a whole number and as a fraction": r"regexp_replace({}, '\.0+$', '')",
}
_MOST_NAMED = 8  # columns of a table in a message


@dataclass(frozen=True)
class _Pair:
    """A column of a table and one of candidates that their names take for one id, as texts."""

    table: str
    own: Look
    candidates: str
    other: Look

    def known(self, connection: Database, form: str = "{}") -> float:
        """Share of the ids of candidates that the table has, in a form."""
        (found,) = connection.rows(
            f"select count(*) as n, count(*) filter (id in (select id from ({self._own_ids(form)}))) as known "
            f"from ({self._other_ids(form)})",
        )
        return found["known"] / found["n"] if found["n"] else 0.0

    def differing(self, connection: Database, form: str) -> tuple[str, str]:
        """An id as the table has it, and as candidates have it; there is one where more ids are known in this form."""
        (found,) = connection.rows(
            f"select t.text as a, c.text as b from ({self._own_ids(form)}) as t "
            f"join ({self._other_ids(form)}) as c on c.id = t.id "
            f"where c.text not in (select text from ({self._own_ids()})) order by a, b limit 1",
        )
        return found["a"], found["b"]

    def unknown(self, connection: Database) -> tuple[str, str]:
        """An id of candidates that the table lacks, and one that the table has."""
        (found,) = connection.rows(
            f"select (select min(id) from ({self._other_ids()}) where id not in (select id from ({self._own_ids()}))) "
            f"as lacking, (select min(id) from ({self._own_ids()})) as there",
        )
        return found["lacking"], found["there"]

    def most_often(self, connection: Database) -> tuple[str, int]:
        """The id that the most rows of the table have, and how many."""
        (found,) = connection.rows(
            f"select cast({quoted(self.own.name)} as varchar) as id, count(*) as n from {self.table} "
            f"where {quoted(self.own.name)} is not null group by 1 order by n desc, id limit 1",
        )
        return found["id"], found["n"]

    def _own_ids(self, form: str = "{}") -> str:
        return _ids(self.table, self.own, form)

    def _other_ids(self, form: str = "{}") -> str:
        return _ids(self.candidates, self.other, form)

    def __str__(self) -> str:
        return (
            f"{self.table}.{self.own.name} ({self.own.type}) and {self.candidates}.{self.other.name} "
            f"({self.other.type})"
        )


def _ids(view: str, look: Look, form: str) -> str:
    """SQL of the ids of a column: each text once, and what it is in a form."""
    text = f"cast({quoted(look.name)} as varchar)"
    return f"select distinct {form.format(text)} as id, {text} as text from {view} where {text} is not null"


def why_unjoined(
    connection: Database, part: str, table: LookedAt, candidates: LookedAt, others: Sequence[Look]
) -> LogsError:
    """The error for a table of which no column is the `part`'s id. `others` are columns of candidates."""
    pairs = sorted(_pairs(part, table, candidates, others), key=lambda pair: _liking(part, pair))
    for cause in (_repeated, _single, _formed):
        for pair in pairs:
            if (words := cause(connection, part, pair)) is not None:
                return LogsError(words)
    if pairs:
        return LogsError(_apart(connection, part, max(pairs, key=lambda pair: pair.known(connection))))
    return LogsError(
        f"{table.view}: no column is the {part}'s id: none of {_listed(table.columns.values())} has the name and the "
        f"values of one of {_listed(others or candidates.columns.values())} of {candidates.view}; deliver the {part}'s "
        "id in both tables, under one name and in one type"
    )


def _pairs(part: str, table: LookedAt, candidates: LookedAt, others: Sequence[Look]) -> Iterator[_Pair]:
    for own in table.columns.values():
        for other in others:
            named = rank_of(part, own.name) is not None and rank_of(part, other.name) is not None
            if own.is_key and (named or own.name == other.name):
                yield _Pair(table.view, own, candidates.view, other)


def _liking(part: str, pair: _Pair) -> tuple[bool, int]:
    """A pair whose names say the part comes first, then one name for both."""
    ranks = [rank for look in (pair.own, pair.other) if (rank := rank_of(part, look.name)) is not None]
    return not ranks, min(ranks, default=0) + (pair.own.name != pair.other.name)


def _repeated(connection: Database, part: str, pair: _Pair) -> str | None:
    own = pair.own
    if own.is_unique or pair.known(connection) < _SAME:
        return None
    text, often = pair.most_often(connection)
    example = f" ({text!r} is in {often} rows)" if often > 1 else ""
    return (
        f"{pair.table}: {own.name} has the ids of {pair.candidates}.{pair.other.name}, but must have each in one "
        f"row: {own.rows} rows have {own.distinct} ids{example} and {own.missing} nulls; deliver one row for each "
        f"{part}"
    )


def _single(connection: Database, part: str, pair: _Pair) -> str | None:
    if pair.own.name == pair.other.name or not pair.other.is_unique or pair.known(connection) < _SAME:
        return None
    return (
        f"{pair} have the same ids, each in one row of {pair.candidates}, so they could be an id of its own; give both "
        f"columns one name if they are the {part}'s id"
    )


def _formed(connection: Database, part: str, pair: _Pair) -> str | None:
    together = "{}"
    for form in _FORMS.values():
        together = form.format(together)
    for said, form in {**_FORMS, "in two ways": together}.items():
        if pair.known(connection, form) >= _SAME > pair.known(connection):
            a, b = pair.differing(connection, form)
            return (
                f"{pair} have the {part}'s id {said}: {a!r} is {b!r}; deliver one id as one text or number in both "
                "tables"
            )
    return None


def _apart(connection: Database, part: str, pair: _Pair) -> str:
    for view, look in ((pair.table, pair.own), (pair.candidates, pair.other)):
        if not look.distinct:
            return f"{view}: {look.name} is null in all {look.rows} rows; deliver the {part}'s id in it"
    known = pair.known(connection)
    lacking, there = pair.unknown(connection)
    return (
        f"{pair} have {known:.0%} of the ids of {pair.candidates} in common; at least {_SAME:.0%} are required "
        f"({lacking!r} is not in {pair.table}, which has {there!r}): deliver the {part}s of the same day, with "
        "the same ids"
    )


def _listed(looks: Iterable[Look]) -> str:
    named = [f"{look.name} {look.type}" for look in looks]
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more
