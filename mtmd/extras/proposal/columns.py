"""How the columns of a table look over some days, as DuckDB's SUMMARIZE tells it; and names that a preset can have."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mtmd.errors import LogsError
from mtmd.extract.database import Database
from mtmd.logs.sql import duckdb_paths, sql_name

READER = "read_parquet($paths, hive_partitioning = false, union_by_name = true)"
_BEYOND_BIGINT = {"UBIGINT", "HUGEINT", "UHUGEINT"}
_WHOLE = _BEYOND_BIGINT | {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}

_WORDS = {  # that name a part of the contract, the likeliest first
    "request": ("request", "req", "query", "auction", "search", "id"),
    "ad": ("ad", "item", "creative", "pin", "product", "document", "doc", "offer", "id"),
    "ts": ("ts", "timestamp", "time", "at", "datetime", "created", "logged"),
    "user": ("user", "member", "viewer", "visitor", "customer", "account", "uid"),
    "surface": ("surface", "placement", "page", "slot", "tab", "inventory", "site", "channel", "context"),
    "product": ("product", "type", "kind", "campaign", "line", "category", "class"),
    "goal": ("goal", "objective", "optimization", "billing"),
    "bid": ("bid", "cpc", "price", "value", "budget"),
    "impressed": ("impressed", "impression", "shown", "displayed", "seen", "viewed", "served", "rendered"),
    "position": ("position", "rank", "place", "slot"),
}


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, and what its values are like over the days.

    nulls        share of rows without a value
    distinct     so many different values; of a list, of its elements
    least, most  of numbers, else None
    sample       the least value as text; None where all rows are null
    lengths      of a list: the least and the most
    """

    name: str
    type: str
    rows: int
    nulls: float
    distinct: int
    sample: str | None = None
    least: float | None = None
    most: float | None = None
    lengths: tuple[int, int] = (0, 0)

    @property
    def sql(self) -> str:
        return sql_name(self.name)

    @property
    def element(self) -> str | None:
        """The type of a list's elements; None where the column is no list."""
        return self.type[: self.type.rindex("[")] if self.type.endswith("]") else None

    @property
    def is_whole(self) -> bool:
        return self.type in _WHOLE

    @property
    def is_fraction(self) -> bool:
        return self.type.startswith(("FLOAT", "DOUBLE", "DECIMAL")) and self.element is None

    @property
    def is_text(self) -> bool:
        return self.type.startswith(("VARCHAR", "ENUM")) and self.element is None

    @property
    def is_truth(self) -> bool:
        """Whether it says yes or no: as BOOLEAN, or as 1 and 0."""
        within = self.least is not None and 0 <= self.least <= (self.most or 0) <= 1
        return self.type == "BOOLEAN" or (self.is_whole and within)

    @property
    def truth(self) -> str:
        """SQL of yes or no as BOOLEAN."""
        return self.sql if self.type == "BOOLEAN" else f"cast({self.sql} as boolean)"

    @property
    def is_time(self) -> bool:
        """A time or a day, also as text."""
        if not self.is_text or self.sample is None:
            return self.type.startswith(("DATE", "TIME"))
        try:
            return datetime.fromisoformat(self.sample) is not None and not self.sample.isdigit()
        except ValueError:
            return False

    @property
    def id_type(self) -> str:
        """What a preset calls its type, where it is an id."""
        if self.is_whole and self.type not in _BEYOND_BIGINT:
            return "BIGINT"
        return "VARCHAR"

    @property
    def is_key(self) -> bool:
        """Whether an id can have this type."""
        return (self.is_whole or self.is_text or self.type == "UUID") and not self.is_time


@dataclass(frozen=True)
class Table:
    """The view of the days of a table that were looked at, and its columns by name."""

    view: str
    columns: Mapping[str, Column]

    def beside(self, taken: Iterable[str]) -> list[Column]:
        """Columns that play no part yet."""
        return [column for name, column in self.columns.items() if name not in set(taken)]


def look_at(database: Database, table: str, files: Sequence[Path]) -> Table:
    """Make a view of files, and summarize its columns.

    Raises duckdb.Error where they can't be read, and LogsError where they have no rows.
    """
    given = {"paths": duckdb_paths(files)}
    database.connection.sql(f"select * from {READER}", params=given).create_view(table)
    found = [_column(database, table, row) for row in database.rows(f"summarize {table}")]
    if not found[0].rows:
        raise LogsError(f"{files[0]} has 0 rows; at least 1 is required: deliver the day again")
    return Table(table, {column.name: column for column in found})


def _column(database: Database, view: str, row: Mapping[str, Any]) -> Column:
    column = Column(
        name=row["column_name"],
        type=row["column_type"],
        rows=row["count"],
        nulls=float(row["null_percentage"] or 0) / 100,
        distinct=0 if row["min"] is None else _distinct(database, view, sql_name(row["column_name"])),
        sample=row["min"],
    )
    if (column.is_whole or column.is_fraction) and row["min"] is not None:
        return replace(column, least=float(row["min"]), most=float(row["max"]))
    if column.element is None or "[" in column.element:
        return column
    (of_list,) = database.rows(
        f"select min(len({column.sql})) as least, max(len({column.sql})) as most, "
        f"(select count(distinct e) from (select unnest({column.sql}) as e from {view})) as n from {view}"
    )
    return replace(column, distinct=of_list["n"], lengths=(of_list["least"] or 0, of_list["most"] or 0))


def _distinct(database: Database, view: str, column: str) -> int:
    """Exactly: SUMMARIZE estimates to within some percent, so that 40 topics would be 41."""
    (row,) = database.rows(f"select count(distinct {column}) as n from {view}")
    return int(row["n"])


def tokens(name: str) -> list[str]:
    """A name in lower-case words: `adId2` is ad, id2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def rank_of(part: str, name: str) -> int | None:
    """How well a column's name says a part of the contract, 0 being best; None where it does not."""
    return next((rank for rank, word in enumerate(_WORDS[part]) if word in tokens(name)), None)


def preset_names(names: Iterable[str], taken: Iterable[str] = ()) -> Mapping[str, str]:
    """What a preset calls each name: letters, digits and underscores, a letter first; all differ, none is `taken`."""
    used = {*taken, "all"}  # which is the sum over slices
    found: dict[str, str] = {}
    for name in names:
        plain = "_".join(tokens(name)) or "unnamed"
        plain = plain if plain[0].isalpha() else f"n_{plain}"
        others = (f"{plain}_{number}" for number in range(2, len(used) + 3))
        found[name] = next(named for named in (plain, *others) if named not in used)
        used.add(found[name])
    return found


def sql_as(value: str, name: str) -> str:
    """SQL of a value under a name; a column that has the name already is written alone."""
    return value if value == sql_name(name) else f"{value} as {sql_name(name)}"


def toml_text(value: str) -> str:
    """Text of TOML, which has the escapes of JSON and more."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(values: Iterable[str]) -> str:
    """Names as a list of TOML."""
    return f"[{', '.join(map(toml_text, values))}]"
