"""How the columns of a table look: one scan, and what a proposal needs to know of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtmd.errors import LogsError
from mtmd.expectations.common import literal
from mtmd.logs.files import duckdb_paths
from mtmd.logs.sql import quoted, sql_name
from mtmd.validate.gx_duckdb import Database

# Left to itself, DuckDB matches the columns of CSV files by their position, and skips lines that do not fit. Where the
# first 20,480 lines have no quotes, it takes later ones for text. It puts folders (hour=07) in the place of a column.
_READ_CSV = """read_csv(
    $paths, header = true, skip = 0, quote = '"', union_by_name = true, hive_partitioning = false{}
)"""
# It also guesses the order of day and month for each file: 01/05/2026 is May where no day of the file is above 12.
_TIMES_AS_TEXT = ",\n    auto_type_candidates = ['BOOLEAN', 'BIGINT', 'HUGEINT', 'DOUBLE', 'VARCHAR']"
BEYOND_BIGINT = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT"})
_WHOLE = BEYOND_BIGINT | {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
_TEXTS = ("VARCHAR", "ENUM")
_TIMES = ("DATE", "TIME")
DAYS_LOOKED_AT = 8  # of which different values are counted: on the last one a weekday comes again
_EXACT = 2**53  # up to which a DOUBLE has every whole number
_FEW = 64  # a column with more values names something; values of one with fewer are listed


@dataclass(frozen=True)
class Look:
    """One column: its DuckDB type, and what its values are like. Numbers are None where the type has none.

    all_whole  of FLOAT, DOUBLE and DECIMAL: there are values, and each one is a whole number or NaN
    has_nan    of the same: one is NaN or infinite, where pandas had no value
    has_holes  of a list: one has a null inside; of a list of fractions also NaN or infinity
    time_type  of text in a CSV file: DATE, TIME or TIMESTAMP, if DuckDB takes it for one
    """

    name: str
    type: str
    rows: int
    missing: int
    distinct: int
    values: tuple[str, ...] = ()  # all of them, where they are few and text or truth values
    least: float | None = None
    most: float | None = None
    lengths: tuple[int, int] | None = None  # of a list: the least and the most
    all_whole: bool = False
    has_nan: bool = False
    has_holes: bool = False
    time_type: str | None = None

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
        return (self.time_type or self.type).startswith("TIMESTAMP") and self.element is None

    @property
    def is_fraction(self) -> bool:
        return self.type.startswith(_FRACTIONS) and self.element is None

    @property
    def is_text(self) -> bool:
        return self.type.startswith(_TEXTS) and self.element is None and self.time_type is None

    @property
    def is_unique(self) -> bool:
        return self.missing == 0 and self.distinct == self.rows

    @property
    def is_truth(self) -> bool:
        """Whether it says yes or no: as BOOLEAN, or as 1 and 0, of which a day may have one alone."""
        ends = {self.least, self.most}
        return self.type == "BOOLEAN" or (self.has_whole_values and ends <= {0, 1})

    @property
    def truth(self) -> str:
        """SQL of it as BOOLEAN."""
        column = sql_name(self.name)
        if self.type == "BOOLEAN":
            return column
        return f"{column} = 1" if self.is_fraction else f"cast({column} as boolean)"

    def whole(self, kind: str) -> str:
        """SQL of its whole numbers as a type; a value that is no number is null."""
        return f"{'try_cast' if self.has_nan else 'cast'}({sql_name(self.name)} as {kind})"

    @property
    def is_key(self) -> bool:
        """Whether an id can have this type."""
        return self.has_whole_values or self.is_text or self.type == "UUID"


@dataclass(frozen=True)
class LookedAt:
    """A table's view in the session, and its columns by name; `over_days` is a view of several days' rows."""

    view: str
    columns: Mapping[str, Look]
    over_days: str | None = None

    def with_values_of(self, everything: "LookedAt") -> "LookedAt":
        """The same columns, with what several days say of them: values and gaps of text, fractions, holes in lists."""
        return LookedAt(
            self.view,
            {
                name: _over_days(look, everything.columns[name]) if name in everything.columns else look
                for name, look in self.columns.items()
            },
            everything.view,
        )


def read_csv_sql(texts: Iterable[str]) -> str:
    """SQL that reads CSV files, columns of `texts` as text: on a day without a letter they would be numbers."""
    return _READ_CSV.format(_types(texts))


def _types(texts: Iterable[str]) -> str:
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in texts)
    return f",\n    types = {{{types}}}" if types else ""


def is_finite_sql(column: str) -> str:
    """SQL that says whether all components of a vector are numbers; `column` is SQL, too."""
    return f"list_bool_and([coalesce(isfinite(value), false) for value in {column}])"


def _over_days(look: Look, over: Look) -> Look:
    if look.is_whole and over.all_whole:  # pandas makes a DOUBLE of it on a day on which a value is missing
        look = replace(look, type=over.type)
    if over.type != look.type:
        return look
    look = replace(look, all_whole=over.all_whole, has_nan=over.has_nan, has_holes=over.has_holes)
    if not (look.is_text and look.values):
        return look
    missing = max(look.missing, min(over.missing, look.rows - 1))
    return replace(look, values=over.values, missing=missing)


def texts_over_days(connection: Database, files: Sequence[Path], of_days: Sequence[Path]) -> list[str]:
    """Columns of one day's CSV files, `files`, that are text in the files of several days."""
    if not _are_csv(files):
        return []
    read = f"from {_READ_CSV.format(_TIMES_AS_TEXT)}"
    own, over = (_kinds(connection, read, {"paths": duckdb_paths(paths)}) for paths in (files, of_days))
    return [name for name in own if over.get(name) == "VARCHAR"]


def _are_csv(files: Sequence[Path]) -> bool:
    return files[0].name.endswith((".csv", ".csv.gz"))


def look_at(connection: Database, view: str, files: Sequence[Path], texts: Iterable[str] = ()) -> LookedAt:
    """Make a view of the files under a name, and look at its columns; those of `texts` are text in CSV files.

    Raises duckdb.Error where they can't be read, and LogsError where they have no rows.
    """
    csv = _are_csv(files)
    read = "read_parquet($paths, hive_partitioning = false, union_by_name = true)"
    if csv:
        read = _READ_CSV.format(_TIMES_AS_TEXT + _types(texts))
    given = {"paths": duckdb_paths(files)}
    connection.connection.sql(f"select * from {read}", params=given).create_view(view)
    kinds = _kinds(connection, f"from {view}")
    sniffed = _kinds(connection, f"from {_READ_CSV.format('')}", given) if csv else {}
    times = {name: kind for name, kind in sniffed.items() if kind.startswith(_TIMES)}
    (counted,) = connection.rows(f"select count(*) as n, {_asked(kinds)} from {view}")
    if not counted["n"]:
        raise LogsError(f"{files[0]} has 0 rows; at least 1 is required: deliver the day again")
    looks = {
        name: replace(_look(name, kind, counted["n"], counted, f"c{n}_"), time_type=times.get(name))
        for n, (name, kind) in enumerate(kinds.items())
    }
    return LookedAt(view, {name: _with_values(connection, view, look) for name, look in looks.items()})


def _kinds(connection: Database, relation: str, given: dict[str, Any] | None = None) -> dict[str, str]:
    described = connection.rows(f"describe {relation}", given)
    return {row["column_name"]: row["column_type"] for row in described}


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
            if kind not in _WHOLE:
                number = f"cast({column} as double)"
                is_whole = f"{number} = trunc({number}) and abs({number}) <= {_EXACT}"
                if kind.endswith(",0)"):  # DECIMAL, which has whole numbers alone
                    is_whole = f"try_cast({column} as bigint) is not null"
                asked += [
                    f"count(*) filter (isfinite({number}) and not ({is_whole})) as c{n}_broken",
                    f"count(*) filter (not isfinite({number})) as c{n}_nan",
                ]
        elif kind.endswith("]"):
            asked += [
                f"min(len({column})) as c{n}_shortest",
                f"max(len({column})) as c{n}_longest",
                f"count(*) filter ({_has_hole(column, kind)}) as c{n}_holes",
            ]
    return ", ".join(asked)


def _has_hole(column: str, kind: str) -> str:
    return (
        f"not {is_finite_sql(column)}"
        if kind.startswith(_FRACTIONS) and kind.count("[") == 1  # not of lists of lists
        else f"len({column}) > list_count({column})"
    )


def _look(name: str, kind: str, size: int, counted: Mapping[str, Any], own: str) -> Look:
    shortest, nan = counted.get(f"{own}shortest"), counted.get(f"{own}nan") or 0
    return Look(
        name=name,
        type=kind,
        rows=size,
        missing=size - counted[f"{own}there"],
        distinct=counted[f"{own}distinct"],
        least=counted.get(f"{own}least"),
        most=counted.get(f"{own}most"),
        lengths=None if shortest is None else (shortest, counted[f"{own}longest"]),
        all_whole=counted.get(f"{own}broken", 1) == 0 and counted[f"{own}there"] > nan,
        has_nan=nan > 0,
        has_holes=bool(counted.get(f"{own}holes")),
    )


def _with_values(connection: Database, view: str, look: Look) -> Look:
    if not (look.is_text or look.type == "BOOLEAN") or look.distinct > _FEW:
        return look
    column = quoted(look.name)
    found = connection.rows(
        f"select cast({column} as varchar) as value from {view} where {column} is not null "
        "group by 1 order by count(*) desc, 1",
    )
    return Look(**{**look.__dict__, "values": tuple(row["value"] for row in found)})
