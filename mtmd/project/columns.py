"""Whether each table has the declared columns, with the SQL that would mend it, and the table as if it were mended."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from mtmd.config import Declarations, Feature, IdType
from mtmd.errors import ConfigError
from mtmd.expectations.common import name
from mtmd.logs.columns import TEXT, cast_sql, held_or_null, is_checked_text, is_readable, time_sql
from mtmd.logs.contract import ID_COLUMNS, optional_columns, table_columns
from mtmd.logs.ids import ID_RULES, no_id_sql, shown_sql
from mtmd.logs.reading import files_alike
from mtmd.logs.sql import sql_name
from mtmd.project.engine import Connection, rows
from mtmd.project.findings import Finding, Part, counted, error, nearest
from mtmd.project.statements import TableRead

_MOST_SHOWN = 3


@dataclass(frozen=True)
class MendedTable:
    """A table's statements with all declared columns, each with the files that it reads, and what was mended.

    In `unknown` columns something is null that a run would refuse: they are missing, or a value is not of their type.
    `missing` are those that some of the files lack.
    """

    statements: tuple[tuple[str, list[Path]], ...]
    unknown: frozenset[str]
    missing: frozenset[str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Columns:
    """A table's declared columns, and those that it has: `taken` is the column that each declared one is read from."""

    table: str
    declared: dict[str, str]
    there: dict[str, str]
    taken: dict[str, str]

    @property
    def retyped(self) -> dict[str, str]:
        """Declared columns of a type that is not read as the declared one, with the declared type."""
        return {
            column: kind
            for column, kind in self.declared.items()
            if column in self.taken and not is_readable(self.there[self.taken[column]], kind)
        }

    @property
    def checked(self) -> dict[str, str]:
        """Declared columns whose values must each be an id of text, or a UUID, with the declared type."""
        return {
            column: kind
            for column, kind in self.declared.items()
            if column in self.taken and is_checked_text(self.table, column, kind)
        }

    @property
    def cast(self) -> dict[str, str]:
        """Declared columns that are read from another type, a CSV file's text included, with that type."""
        return {
            column: there
            for column, kind in self.declared.items()
            if (there := self.there.get(self.taken.get(column, ""), kind)) != kind
            and column not in self.retyped
            and column not in self.checked
        }

    def read(self, column: str) -> str:
        """The SQL of a declared column."""
        kind = self.declared[column]
        if column not in self.taken:
            return f"cast(null as {kind})"
        source, there = self.taken[column], self.there[self.taken[column]]
        value = held_or_null(source, there, kind)
        if column in self.checked:
            return f"case when {no_id_sql(name(source), kind)} then null else {value} end"
        return value


def mend_columns(
    connection: Connection,
    read: TableRead,
    paths: list[Path],
    declarations: Declarations,
    declared: dict[str, str],
    forgiven: Collection[str],
) -> MendedTable:
    """Compare a table's columns with the contract. Undeclared columns that are `forgiven` are not reported.

    Files of different types are read apart, as a run does. Raises EngineError for files that do not fit each other.
    """
    optional = optional_columns(declarations.domains) if read.table == "candidates" else frozenset()
    groups = [paths]
    if read.columns is not None:
        groups = files_alike(connection, read.source, read.table, read.day, read.columns)
    mended = [_mend(connection, read, group, declarations, declared, forgiven) for group in groups]
    unlike = () if read.columns is None else _unlike(read, declared, optional)
    # Null in the files that lack it, as it is for a run; unlike values that are none of the column's type.
    somewhere = {
        column
        for column in optional
        if any(column not in one.unknown for one in mended)
        and all(column not in one.unknown or column in one.missing for one in mended)
    }
    return MendedTable(
        tuple(statement for one in mended for statement in one.statements),
        frozenset().union(*(one.unknown for one in mended)) - somewhere,
        frozenset().union(*(one.missing for one in mended)),
        tuple(dict.fromkeys((*(finding for one in mended for finding in one.findings), *unlike))),
    )


def _mend(
    connection: Connection,
    read: TableRead,
    paths: list[Path],
    declarations: Declarations,
    declared: dict[str, str],
    forgiven: Collection[str],
) -> MendedTable:
    """`mend_columns` of files with the same columns, of the same types."""
    there = read.columns_of(connection, *paths)
    columns = _Columns(read.table, declared, there, _taken(there, declared))
    selected = ", ".join(f"{columns.read(column)} as {name(column)}" for column in declared)
    lost = _lost(connection, read, columns, paths)
    missing = frozenset(declared.keys() - columns.taken.keys())
    unknown = missing | {column for column, n in lost.items() if n}
    findings: tuple[Finding, ...] = ()
    if read.columns is not None:  # otherwise its statement is wrong: what the raw files lack says nothing
        findings = (
            *_absent(columns, lost, declarations),
            *_retyped(columns, lost, declarations),
            *_no_ids(connection, read, columns, lost, paths),
            *_no_values(columns, lost, declarations),
            *_undeclared(columns, forgiven),
        )
    return MendedTable(
        ((f"select {selected} from (\n{read.statement}\n) as source", paths),), unknown, missing, findings
    )


def _taken(there: dict[str, str], declared: dict[str, str]) -> dict[str, str]:
    """Each declared column's own, or one that nothing else is and whose name is near."""
    taken = {column: column for column in declared if column in there}
    for column in declared:
        free = [other for other in there if other not in taken.values()]
        if column not in there and (near := nearest(column, free)) is not None:
            taken[column] = near
    return taken


def _lost(connection: Connection, read: TableRead, columns: _Columns, paths: list[Path]) -> dict[str, int]:
    """Of each column of another type, or of text ids: how many of its values are none of its type."""
    compared = [*columns.retyped, *(c for c in columns.checked if c not in columns.retyped), *columns.cast]
    if not compared:
        return {}
    counts = ", ".join(
        f"count(*) filter ({name(columns.taken[column])} is not null and {columns.read(column)} is null) "
        f"as {name(column)}"
        for column in compared
    )
    (row,) = rows(connection, f"select {counts} from (\n{read.statement}\n) as source", read.given(paths))
    return row


def _absent(columns: _Columns, lost: dict[str, int], declarations: Declarations) -> Iterator[Finding]:
    optional = optional_columns(declarations.domains) if columns.table == "candidates" else frozenset()
    for column, kind in columns.declared.items():
        place, other = f"{columns.table}.{column}", columns.taken.get(column)
        if other is None and column in optional:
            continue
        if other is None:
            remedy = _selected(columns.table, column, kind, declarations)
            yield error(Part.COLUMNS, place, f"missing; {kind} is declared", remedy)
        elif other != column:
            text = f"missing; there is a column {other} {columns.there[other]}"
            value = f"{_value(columns, column, lost)} as {sql_name(column)}{_where(columns, column)}"
            remedy = f"if that is it: select * exclude ({sql_name(other)}), {value}"
            if declared_otherwise := _other_ids(columns, column, lost, declarations):
                remedy += f"; and {declared_otherwise}"
            yield error(Part.COLUMNS, place, text, remedy)


def _retyped(columns: _Columns, lost: dict[str, int], declarations: Declarations) -> Iterator[Finding]:
    for column, kind in columns.retyped.items():
        if columns.taken[column] != column:
            continue  # the rename that is proposed has the cast
        there, text = columns.there[column], f"{columns.there[column]}; {kind} is declared"
        if lost[column]:
            text += f", and {counted(lost[column], 'value')} can't be cast"
        remedy = f"select * replace ({_value(columns, column, lost)} as {sql_name(column)})"
        remedy += _where(columns, column)
        if declared_otherwise := _other_ids(columns, column, lost, declarations):
            both = f"{remedy}; {'and' if lost[column] else 'or'} {declared_otherwise}"
            remedy = declared_otherwise if lost[column] and _kinds_of_ids(there) else both
        if _may_be(columns.table, column, there, declarations):
            remedy += f'; or set type = "{there.removesuffix("[]")}" of the feature in the preset'
        yield error(Part.COLUMNS, f"{columns.table}.{column}", text, remedy)


def _no_ids(
    connection: Connection, read: TableRead, columns: _Columns, lost: dict[str, int], paths: list[Path]
) -> Iterator[Finding]:
    """Values that are no ids, in columns of a type that ids may be read from."""
    for column, kind in columns.checked.items():
        if column in columns.retyped or not lost[column]:
            continue
        source = name(columns.taken[column])
        shown = rows(
            connection,
            f"select distinct {shown_sql(source)} as value from (\n{read.statement}\n) as source "
            f"where {no_id_sql(source, kind)} order by all limit {_MOST_SHOWN}",
            read.given(paths),
        )
        listed = ", ".join(repr(row["value"]) for row in shown)
        text = f"{counted(lost[column], 'value')} can't be read as {kind}, such as {listed}; each {ID_RULES[kind]}"
        remedy = f"correct the logs, or source_{columns.table}.sql"
        if column == "user_id" and shown[0]["value"] == "":
            remedy += "; where the user is not known: select * replace (nullif(user_id, '') as user_id)"
        if kind == "UUID" and (whose := ID_COLUMNS[columns.table].get(column)):
            remedy += f'; or set {whose} = "VARCHAR" in [ids] of the preset'
        yield error(Part.COLUMNS, f"{columns.table}.{column}", text, remedy)


def _other_ids(columns: _Columns, column: str, lost: dict[str, int], declarations: Declarations) -> str:
    """What the preset would have to say for a column of ids to be read as it is, or as text; else nothing."""
    whose, there = ID_COLUMNS[columns.table].get(column), columns.there[columns.taken[column]]
    kinds = _kinds_of_ids(there)
    if whose is None or column not in columns.retyped or not (kinds or lost[column]):
        return ""
    kind = there if there in kinds else next(iter(kinds), "VARCHAR")
    feature = f', and type = "{kind}" of the feature' if _feature(columns.table, column, declarations) else ""
    return f'set {whose} = "{kind}" in [ids] of the preset{feature}'


def _kinds_of_ids(there: str) -> list[IdType]:
    """The types of ids that a column of a type is read as."""
    return [kind for kind in get_args(IdType) if is_readable(there, kind)]


def _no_values(columns: _Columns, lost: dict[str, int], declarations: Declarations) -> Iterator[Finding]:
    """Values that a run would stop at, in columns of a type that can be read."""
    for column, there in columns.cast.items():
        if not lost[column]:
            continue
        place, source = f"{columns.table}.{column}", f"source_{columns.table}.sql"
        if there == TEXT:
            text = f"{counted(lost[column], 'value')} of the CSV file can't be read as {columns.declared[column]}"
            yield error(
                Part.COLUMNS, place, text, f"correct the file, or read the column yourself in {source}"
            )
        else:
            text = f"{counted(lost[column], 'value')} of {there} that {columns.declared[column]} can't hold"
            remedy = f"cast the column yourself in {source}"
            if _may_be(columns.table, column, there, declarations):
                remedy = f'set type = "{there}" of the feature in the preset, or {remedy}'
            yield error(Part.COLUMNS, place, text, remedy)


def _value(columns: _Columns, column: str, lost: dict[str, int]) -> str:
    """The SQL of a column's value in its declared type; of categories that are no numbers a number for each.

    Ids that can't be cast are left as they are, or made text: then it is the declared type that has to change.
    """
    source, kind = sql_name(columns.taken[column]), columns.declared[column]
    if column not in columns.retyped:
        return source
    there = columns.there[columns.taken[column]]
    if kind == "TIMESTAMP" and (time := time_sql(source, there)) is not None:
        return time[0]
    if lost[column] and column in ID_COLUMNS[columns.table]:
        return source if _kinds_of_ids(there) else cast_sql(source, there, "varchar")
    if not lost[column]:
        return cast_sql(source, there, kind.lower())
    return (
        f"cast(hash({source}) >> 1 as bigint)"
        if kind == "BIGINT"
        else f"try_cast({source} as {kind.lower()})"
    )


def _where(columns: _Columns, column: str) -> str:
    """When that SQL is right, and what is right otherwise, where the type alone does not say it."""
    if column not in columns.retyped or columns.declared[column] != "TIMESTAMP":
        return ""
    source = columns.taken[column]
    time = time_sql(sql_name(source), columns.there[source])
    return "" if time is None else f" {time[1]}"


def _selected(table: str, column: str, kind: str, declarations: Declarations) -> str:
    """What to do about a missing column; null does for a feature."""
    null = f"select it; where it is not known: cast(null as {kind.lower()}) as {sql_name(column)}"
    if _feature(table, column, declarations) is not None:
        return f"{null}; or take the feature out of the preset"
    return f"select it as {sql_name(column)}: null in all rows does not do"


def _feature(table: str, column: str, declarations: Declarations) -> Feature | None:
    side = {"requests": declarations.query.fields, "ads": declarations.item.fields}.get(table, ())
    return next((feature for feature in side if feature.name == column), None)


def _may_be(table: str, column: str, kind: str, declarations: Declarations) -> bool:
    """Whether a column is of a feature alone, which may be declared with another type."""
    chosen = _feature(table, column, declarations)
    if chosen is None or chosen.kind == "embedding" or kind.endswith("[]") != chosen.multi:
        return False
    features = [
        feature.model_dump() | ({"type": kind.removesuffix("[]")} if feature is chosen else {})
        for feature in declarations.features
    ]
    try:
        table_columns(Declarations.model_validate(declarations.model_dump() | {"features": features}))
    except (ValidationError, ConfigError):
        return False
    return True


def _undeclared(columns: _Columns, forgiven: Collection[str]) -> Iterator[Finding]:
    taken = columns.taken.values()
    extra = [column for column in columns.there if column not in taken and column not in forgiven]
    if extra:
        listed = ", ".join(f"{column} {columns.there[column]}" for column in extra)
        others = ", ".join(map(sql_name, extra))
        remedy = f"select * exclude ({others}); or declare it as a feature or a label in the preset"
        yield error(Part.COLUMNS, columns.table, f"undeclared: {listed}", remedy)


def _unlike(read: TableRead, declared: dict[str, str], optional: frozenset[str]) -> Iterator[Finding]:
    """Files of the day that are read otherwise than the first one."""
    (first, usual), *others = (read.columns or {}).items()
    for path, columns in others:
        if different := difference(as_read(usual, declared, optional), as_read(columns, declared, optional)):
            text = f"{path.name} has other columns than {first.name}: {different}"
            remedy = "each file of a day needs the same columns: write it again"
            yield error(Part.COLUMNS, read.table, text, remedy)


def as_read(columns: dict[str, str], declared: dict[str, str], optional: frozenset[str]) -> dict[str, str]:
    """A file's columns with the types that they are read as, without those that may as well be missing."""
    return {
        column: declared[column] if readable else kind
        for column, kind in columns.items()
        if not ((readable := is_readable(kind, declared.get(column, ""))) and column in optional)
    }


def difference(usual: dict[str, str], columns: dict[str, str]) -> str:
    """What one file has and another has not; nothing where their columns are the same."""
    lacks = [f"lacks {column} {kind}" for column, kind in usual.items() if columns.get(column) != kind]
    has = [f"has {column} {kind}" for column, kind in columns.items() if usual.get(column) != kind]
    return ", ".join((*lacks, *has))
