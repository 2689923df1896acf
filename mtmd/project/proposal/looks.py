"""How the columns of a table look: one scan, and what a proposal needs to know of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtmd.errors import LogsError
from mtmd.logs.files import duckdb_paths
from mtmd.logs.sql import quoted
from mtmd.project.engine import Connection, rows
from mtmd.project.proposal.names import sql_name

_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
_TEXTS = ("VARCHAR", "ENUM")
_FEW = 64  # a column with more values names something; values of one with fewer are listed


@dataclass(frozen=True)
class Look:
    """One column: its DuckDB type, and what its values are like. Numbers are None where the type has none."""

    name: str
    type: str
    rows: int
    missing: int
    distinct: int
    values: tuple[str, ...] = ()  # all of them, where they are few and text or truth values
    least: float | None = None
    most: float | None = None
    lengths: tuple[int, int] | None = None  # of a list: the least and the most

    @property
    def element(self) -> str | None:
        """The type of a list's elements; None where the column is no list."""
        return self.type[: self.type.rindex("[")] if self.type.endswith("]") else None

    @property
    def is_whole(self) -> bool:
        return self.type in _WHOLE

    @property
    def is_fraction(self) -> bool:
        return self.type.startswith(_FRACTIONS) and self.element is None

    @property
    def is_text(self) -> bool:
        return self.type.startswith(_TEXTS) and self.element is None

    @property
    def is_unique(self) -> bool:
        return self.missing == 0 and self.distinct == self.rows

    @property
    def is_truth(self) -> bool:
        """Whether it says yes or no: as BOOLEAN, or as 1 and 0."""
        return self.type == "BOOLEAN" or (self.is_whole and self.least == 0 and self.most == 1)

    @property
    def truth(self) -> str:
        """SQL of it as BOOLEAN."""
        return sql_name(self.name) if self.type == "BOOLEAN" else f"cast({sql_name(self.name)} as boolean)"

    @property
    def is_key(self) -> bool:
        """Whether an id can have this type."""
        return self.is_whole or self.is_text or self.type == "UUID"


@dataclass(frozen=True)
class LookedAt:
    """A table's view in the session, and its columns by name."""

    view: str
    columns: Mapping[str, Look]

    def with_values_of(self, everything: "LookedAt") -> "LookedAt":
        """The same columns; those of text with the values and the gaps that they have over several days."""
        columns = dict(self.columns)
        for name, look in self.columns.items():
            over = everything.columns.get(name)
            if over is not None and over.type == look.type and look.is_text and look.values:
                missing = max(look.missing, min(over.missing, look.rows - 1))
                columns[name] = replace(look, values=over.values, missing=missing)
        return LookedAt(self.view, columns)


def look_at(connection: Connection, view: str, files: Sequence[Path]) -> LookedAt:
    """Make a view of the files under a name, and look at its columns.

    Raises EngineError where they can't be read, and LogsError where they have no rows.
    """
    csv = files[0].name.endswith((".csv", ".csv.gz"))
    read = (
        "read_csv($paths, union_by_name = true)" if csv else "read_parquet($paths, hive_partitioning = false)"
    )
    relation = connection.sql(f"select * from {read}", params={"paths": duckdb_paths(files)})
    relation.create_view(view)
    kinds = {row["column_name"]: row["column_type"] for row in rows(connection, f"describe {view}")}
    (counted,) = rows(connection, f"select count(*) as n, {_asked(kinds)} from {view}")
    if not counted["n"]:
        raise LogsError(f"{files[0]} has 0 rows; at least 1 is required: deliver the day again")
    looks = {
        name: _look(name, kind, counted["n"], counted, f"c{n}_")
        for n, (name, kind) in enumerate(kinds.items())
    }
    return LookedAt(view, {name: _with_values(connection, view, look) for name, look in looks.items()})


def _asked(kinds: Mapping[str, str]) -> str:
    asked = []
    for n, (name, kind) in enumerate(kinds.items()):
        column = quoted(name)
        asked += [f"count({column}) as c{n}_there", f"count(distinct {column}) as c{n}_distinct"]
        if kind in _WHOLE or (kind.startswith(_FRACTIONS) and not kind.endswith("]")):
            finite = f"filter (isfinite(cast({column} as double)))"
            asked += [
                f"cast(min({column}) {finite} as double) as c{n}_least",
                f"cast(max({column}) {finite} as double) as c{n}_most",
            ]
        elif kind.endswith("]"):
            asked += [f"min(len({column})) as c{n}_shortest", f"max(len({column})) as c{n}_longest"]
    return ", ".join(asked)


def _look(name: str, kind: str, size: int, counted: Mapping[str, Any], own: str) -> Look:
    shortest = counted.get(f"{own}shortest")
    return Look(
        name=name,
        type=kind,
        rows=size,
        missing=size - counted[f"{own}there"],
        distinct=counted[f"{own}distinct"],
        least=counted.get(f"{own}least"),
        most=counted.get(f"{own}most"),
        lengths=None if shortest is None else (shortest, counted[f"{own}longest"]),
    )


def _with_values(connection: Connection, view: str, look: Look) -> Look:
    if not (look.is_text or look.type == "BOOLEAN") or look.distinct > _FEW:
        return look
    column = quoted(look.name)
    found = rows(
        connection,
        f"select cast({column} as varchar) as value from {view} where {column} is not null "
        "group by 1 order by count(*) desc, 1",
    )
    return Look(**{**look.__dict__, "values": tuple(row["value"] for row in found)})
