"""How the columns of a table look over some days: one scan, and what a proposal needs to know of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtmd.errors import LogsError
from mtmd.logs.files import duckdb_paths
from mtmd.logs.sql import literal, quoted, sql_name
from mtmd.validate.gx_duckdb import Database

# Left to itself, DuckDB matches the columns of CSV files by their position, and guesses the order of day and month for
# each file; it puts folders (hour=07) in the place of a column.
_READ_CSV = """read_csv(
    $paths, header = true, skip = 0, quote = '"', union_by_name = true, hive_partitioning = false{}
)"""
_SNIFFED = (
    ",\n    sample_size = -1, auto_type_candidates = ['BOOLEAN', 'BIGINT', 'HUGEINT', 'DOUBLE', 'VARCHAR']"
)
BEYOND_BIGINT = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT"})
_WHOLE = BEYOND_BIGINT | {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
_TEXTS = ("VARCHAR", "ENUM")
_EXACT = 2**53  # up to which a DOUBLE has every whole number
_FEW = 64  # a column with more values names something; values of one with fewer are listed


@dataclass(frozen=True)
class Look:
    """One column: its DuckDB type, and what its values are like. Numbers are None where the type has none.

    of_a_day   different values on the newest day; `distinct` are those of all days
    all_whole  of FLOAT, DOUBLE and DECIMAL: there are values, and each one is a whole number or NaN
    has_nan    of the same: one is NaN or infinite, where pandas had no value
    has_holes  of a list: one has a null inside; of a list of fractions also NaN or infinity
    is_time    a time or a day, also as text
    """

    name: str
    type: str
    rows: int
    missing: int
    distinct: int
    of_a_day: int
    values: tuple[str, ...] = ()  # all of them, where they are few and text or truth values
    least: float | None = None
    most: float | None = None
    lengths: tuple[int, int] | None = None  # of a list: the least and the most
    all_whole: bool = False
    has_nan: bool = False
    has_holes: bool = False
    is_time: bool = False

    @property
    def element(self) -> str | None:
        """The type of a list's elements; None where the column is no list."""
        return self.type[: self.type.rindex("[")] if self.type.endswith("]") else None

    @property
    def is_whole(self) -> bool:
        return self.type in _WHOLE

    @property
    def has_whole_values(self) -> bool:
        """Whether its values are whole numbers, be it as fractions: pandas holds ids with gaps so."""
        return self.is_whole or self.all_whole

    @property
    def is_stamp(self) -> bool:
        return self.type.startswith("TIMESTAMP") and self.element is None

    @property
    def is_fraction(self) -> bool:
        return self.type.startswith(_FRACTIONS) and self.element is None

    @property
    def is_text(self) -> bool:
        return self.type.startswith(_TEXTS) and self.element is None

    @property
    def is_truth(self) -> bool:
        """Whether it says yes or no: as BOOLEAN, or as 1 and 0, of which a day may have one alone."""
        return self.type == "BOOLEAN" or (
            self.has_whole_values and self.least is not None and 0 <= self.least <= (self.most or 0) <= 1
        )

    @property
    def truth(self) -> str:
        """SQL of yes or no as BOOLEAN; NaN, which pandas has where nothing is known, is no."""
        column = sql_name(self.name)
        if self.type == "BOOLEAN":
            return column
        return f"{column} = 1" if self.is_fraction else f"cast({column} as boolean)"

    @property
    def is_key(self) -> bool:
        """Whether an id can have this type."""
        return (self.has_whole_values or self.is_text or self.type == "UUID") and not self.is_time

    def whole(self, kind: str) -> str:
        """SQL of its whole numbers as a type; a value that is no number is null."""
        return f"{'try_cast' if self.has_nan else 'cast'}({sql_name(self.name)} as {kind})"


@dataclass(frozen=True)
class LookedAt:
    """A table: the view of its newest day, the view of all days that were looked at, and its columns by name."""

    view: str
    over_days: str
    columns: Mapping[str, Look]


def read_csv_sql(texts: Iterable[str]) -> str:
    """SQL that reads CSV files, columns of `texts` as text: on a day without a letter they would be numbers."""
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in texts)
    return _READ_CSV.format(f",\n    types = {{{types}}}" if types else "")


def is_finite_sql(column: str) -> str:
    """SQL that says whether all components of a vector are numbers; `column` is SQL, too."""
    return f"list_bool_and([coalesce(isfinite(value), false) for value in {column}])"


def look_at(database: Database, table: str, newest: Sequence[Path], files: Sequence[Path]) -> LookedAt:
    """Make views of the newest day's files and of all `files`, and look at the columns.

    Raises duckdb.Error where they can't be read, and LogsError where they have no rows.
    """
    over = f"{table}_of_days"
    csv = files[0].name.endswith((".csv", ".csv.gz"))
    parquet = "read_parquet($paths, hive_partitioning = false, union_by_name = true)"
    kinds = _view(database, over, _READ_CSV.format(_SNIFFED) if csv else parquet, files)
    texts = [
        name for name, kind in kinds.items() if kind == "VARCHAR"
    ]  # text may have digits alone on one day
    there = _view(database, table, read_csv_sql(texts) if csv else parquet, newest)
    (counted,) = database.rows(f"select count(*) as n, {_asked(kinds, over)} from {over}")
    if not counted["n"]:
        raise LogsError(f"{files[0]} has 0 rows; at least 1 is required: deliver the day again")
    distinct = ", ".join(
        f"count(distinct {quoted(name)}) as {quoted(name)}" for name in kinds if name in there
    )
    (of_a_day,) = database.rows(f"select {distinct} from {table}")
    looks = (
        _look(name, kind, counted, f"c{n}_", of_a_day.get(name, 0))
        for n, (name, kind) in enumerate(kinds.items())
    )
    return LookedAt(table, over, {look.name: _with_values(database, over, look) for look in looks})


def _view(database: Database, view: str, read: str, paths: Sequence[Path]) -> dict[str, str]:
    """Make a view of files; its columns with their types."""
    given = {"paths": duckdb_paths(paths)}
    database.connection.sql(f"select * from {read}", params=given).create_view(view)
    return {row["column_name"]: row["column_type"] for row in database.rows(f"describe {view}")}


def _asked(kinds: Mapping[str, str], over: str) -> str:
    asked = []
    for n, (name, kind) in enumerate(kinds.items()):
        column = quoted(name)
        asked += [f"count({column}) as c{n}_there"]
        if kind.endswith("]"):
            hole = f"len({column}) > list_count({column})"
            if kind.startswith(_FRACTIONS) and kind.count("[") == 1:  # not of lists of lists
                hole = f"not {is_finite_sql(column)}"
            element = "null" if kind.count("[") > 1 else f"unnest({column})"
            asked += [
                f"min(len({column})) as c{n}_shortest",
                f"max(len({column})) as c{n}_longest",
                f"count(*) filter ({hole}) as c{n}_holes",
                f"(select approx_count_distinct(e) from (select {element} as e from {over})) as c{n}_distinct",
            ]
            continue
        asked += [f"count(distinct {column}) as c{n}_distinct"]
        if kind in _WHOLE or kind.startswith(_FRACTIONS):
            number = f"cast({column} as double)"
            is_whole = f"{number} = trunc({number}) and abs({number}) <= {_EXACT}"
            if kind.endswith(",0)"):  # DECIMAL, which has whole numbers alone
                is_whole = f"try_cast({column} as bigint) is not null"
            asked += [
                f"min({number}) filter (isfinite({number})) as c{n}_least",
                f"max({number}) filter (isfinite({number})) as c{n}_most",
                f"count(*) filter (isfinite({number}) and not ({is_whole})) as c{n}_broken",
                f"count(*) filter (not isfinite({number})) as c{n}_nan",
            ]
        elif kind.startswith(_TEXTS):
            asked += [f"count(try_cast({column} as timestamp)) as c{n}_times"]
    return ", ".join(asked)


def _look(name: str, kind: str, counted: Mapping[str, Any], own: str, of_a_day: int) -> Look:
    there, shortest, nan = (
        counted[f"{own}there"],
        counted.get(f"{own}shortest"),
        counted.get(f"{own}nan") or 0,
    )
    fraction = kind.startswith(_FRACTIONS)
    return Look(
        name=name,
        type=kind,
        rows=counted["n"],
        missing=counted["n"] - there,
        distinct=counted[f"{own}distinct"],
        of_a_day=of_a_day,
        least=counted.get(f"{own}least"),
        most=counted.get(f"{own}most"),
        lengths=None if shortest is None else (shortest, counted[f"{own}longest"]),
        all_whole=fraction and counted.get(f"{own}broken", 1) == 0 and there > nan,
        has_nan=fraction and nan > 0,
        has_holes=bool(counted.get(f"{own}holes")),
        is_time=kind.startswith(("DATE", "TIME")) or counted.get(f"{own}times", 0) == there > 0,
    )


def _with_values(database: Database, view: str, look: Look) -> Look:
    if not (look.is_text or look.type == "BOOLEAN") or look.distinct > _FEW:
        return look
    column = quoted(look.name)
    found = database.rows(
        f"select cast({column} as varchar) as value from {view} where {column} is not null "
        "group by 1 order by count(*) desc, 1"
    )
    return replace(look, values=tuple(row["value"] for row in found))
