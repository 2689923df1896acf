"""The tables below a folder: which files are of one, and how its columns look over some days, by DuckDB's SUMMARIZE.

And names that a preset can have.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from mtmd.errors import LogsError
from mtmd.extract.database import Database
from mtmd.logs.sql import duckdb_paths, sql_name

_SUFFIX = ".parquet"
# 2026-01-05, 20260105, or folders of a year, a month and a day, such as year=2026/month=1/day=5
_DAY = re.compile(
    r"(?P<y>20\d\d)(?P<gap>[-_]?)(?P<m>0[1-9]|1[0-2])(?P=gap)(?P<d>0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?P<y2>20\d\d)(?P<to_m>/[^/\d]*)(?P<m2>\d\d?)(?P<to_d>/[^/\d]*)(?P<d2>\d\d?)(?=/)"
)
# What the name of a file begins with, where it may say the table: no digits, no hash, no usual name of a part.
_WORD = re.compile(r"(?!part|data|file|chunk|batch)[^\d.]*[g-zG-Z][^\d.]*")
_DAYS_LOOKED_AT = 8  # on the last one a weekday comes again
READER = "read_parquet($paths, hive_partitioning = false, union_by_name = true)"
_KINDS = {  # by how a DuckDB type begins
    "truth": ("BOOLEAN",),
    "whole": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    "large": ("UBIGINT", "HUGEINT", "UHUGEINT"),
    "fraction": ("FLOAT", "DOUBLE", "DECIMAL"),
    "text": ("VARCHAR", "ENUM"),
    "uuid": ("UUID",),
    "time": ("DATE", "TIME"),
}
_WORDS = {  # that name a part of the contract, the likeliest first
    "ts": ("ts", "timestamp", "time", "at", "datetime", "created", "logged"),
    "user": ("user", "member", "viewer", "visitor", "customer", "account", "uid"),
    "surface": ("surface", "placement", "page", "slot", "tab", "inventory", "site", "channel", "context"),
    "product": ("product", "type", "kind", "format", "campaign", "line", "category", "class"),
    "bid": ("bid", "cpc", "price", "value", "budget"),
    "impressed": ("impressed", "impression", "shown", "displayed", "seen", "viewed", "served", "rendered"),
}


@dataclass(frozen=True)
class Place:
    """Files by day, and the template that finds them: seen from the folder, with the day in braces."""

    template: str
    days: dict[date, list[Path]]


def find_places(folder: Path) -> list[Place]:
    """All places of files with a day; what is hidden is left out.

    Raises LogsError naming the folder and how many files it has, where none has a day; or a folder in it that this
    user may not read.
    """
    there = sorted(folder.rglob("*"))
    if closed := [path for path in there if path.is_dir() and not os.access(path, os.R_OK | os.X_OK)]:
        raise LogsError(f"{closed[0]} can't be read; let this user read it")
    files = [path for path in there if path.suffix == _SUFFIX and path.is_file()]
    seen = {file: file.relative_to(folder).as_posix() for file in files}
    days = {
        file: match
        for file, path in seen.items()
        if not re.search(r"(^|/)\.", path) and (match := _DAY.search(path)) and _day(match)
    }
    short = any(1 in {len(match["m2"] or "01"), len(match["d2"] or "01")} for match in days.values())
    groups: dict[str, dict[date, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file, match in days.items():
        if day := _day(match):
            groups[_template(seen[file], match, short)][day].append(file)
    if not groups:
        found = f"has {len(files)} .parquet files, and no path of them has a day, such as "
        raise LogsError(
            f"{folder} {found}requests/date=2026-01-25/part-0.parquet"
            if folder.is_dir()
            else f"{folder} is no folder",
            "name the folder of requests, ads and candidates; for other files, such as CSV, make the project without "
            "--from-logs, and let its statements read them",
        )
    return [Place(template, dict(sorted(of_group.items()))) for template, of_group in sorted(groups.items())]


def _day(match: re.Match[str]) -> date | None:
    """None where the calendar has no such day."""
    try:
        return date(*(int(match[part] or match[f"{part}2"]) for part in "ymd"))
    except ValueError:
        return None


def _template(path: str, match: re.Match[str], short: bool) -> str:
    """The path with the day in braces, and * for all behind it but a word that may name a table."""
    if match["y"]:
        gap = match["gap"]
        day = "{day}" if gap == "-" else f"{{day:%Y{gap}%m{gap}%d}}"
    else:
        month, of_month = ("{day:%-m}", "{day:%-d}") if short else ("{day:%m}", "{day:%d}")
        day = f"{{day:%Y}}{match['to_m']}{month}{match['to_d']}{of_month}"
    *folders, last = path[match.end() :].split("/")
    folders = [re.sub(r"^([^/=]+=).*|^\d+$", lambda part: f"{part[1] or ''}*", part) for part in folders]
    stem = last.removesuffix(_SUFFIX)
    word = found[0] if (found := _WORD.match(stem)) else ""
    name = word + ("*" if word != stem else "")
    return path[: match.start()] + day + "/".join((*folders, f"{name}{_SUFFIX}"))


@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type, and what its values are like over the days.

    nulls        share of rows without a value
    distinct     about so many different values; of a list, of its elements
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
    def kind(self) -> str:
        """One of _KINDS, list, or other; text in the form of a time is a time."""
        if self.type.endswith("]"):
            return "list"
        kind = next((kind for kind, types in _KINDS.items() if self.type.startswith(types)), "other")
        return "time" if kind == "text" and re.match(r"\d{4}-\d\d-\d\d(?!\d)", self.sample or "") else kind

    @property
    def is_key(self) -> bool:
        """Whether an id can have this type."""
        return self.kind in {"whole", "large", "text", "uuid"}

    @property
    def id_type(self) -> str:
        """What a preset calls its type, where it is an id."""
        return "BIGINT" if self.kind == "whole" else "VARCHAR"

    @property
    def id_sql(self) -> str:
        """SQL of it as an id."""
        return f"cast({self.sql} as varchar)" if self.kind == "large" else self.sql

    @property
    def is_flag(self) -> bool:
        """Whether it says yes or no: as BOOLEAN, or as 1 and 0."""
        return self.kind == "truth" or (self.kind == "whole" and self.most == 1 and self.is_within(0, 1))

    @property
    def is_mark(self) -> bool:
        """Whether it says yes alone, and is null otherwise: the contract wants a no there."""
        return self.is_flag and self.distinct == 1 and self.nulls > 0 and self.sample in {"true", "1"}

    def is_within(self, least: float, most: float) -> bool:
        return self.least is not None and self.most is not None and least <= self.least <= self.most <= most

    @property
    def truth(self) -> str:
        """SQL of yes or no as BOOLEAN."""
        truth = self.sql if self.kind == "truth" else f"cast({self.sql} as boolean)"
        return f"coalesce({truth}, false)" if self.is_mark else truth


@dataclass(frozen=True)
class Table:
    """A table: the views of the days that were looked at and of the newest one, and its columns by name."""

    place: Place
    view: str
    newest: str
    columns: Mapping[str, Column]

    def beside(self, *taken: Column | None) -> list[Column]:
        """The columns that play no part yet."""
        return [column for column in self.columns.values() if column not in taken]


def look_at_all(database: Database, places: Sequence[Place], newest: date) -> list[Table]:
    """Make views of the files of each place, up to the newest day, and summarize their columns.

    Raises duckdb.Error where they can't be read, and LogsError where they have no rows.
    """
    tables = []
    for number, place in enumerate(places):
        days = [day for day in place.days if day <= newest][-_DAYS_LOOKED_AT:]
        view, of_newest, columns = f"t{number}", f"t{number}_newest", "*"
        for name, of_view in ((of_newest, days[-1:]), (view, days)):
            given = {"paths": duckdb_paths(file for day in of_view for file in place.days[day])}
            made = database.connection.sql(f"select {columns} from {READER}", params=given).create_view(name)
            # No statement can read what the newest day lacks.
            columns = ", ".join(map(sql_name, made.columns))
        (newest_rows,) = database.rows(f"select count(*) as n from {of_newest}")
        if not newest_rows["n"]:
            raise LogsError(
                f"{place.days[newest][0]} has 0 rows; at least 1 is required: deliver the day again"
            )
        found = [_column(database, view, row) for row in database.rows(f"summarize {view}")]
        tables.append(Table(place, view, of_newest, {column.name: column for column in found}))
    return tables


def _column(database: Database, view: str, row: Mapping[str, Any]) -> Column:
    least, most = row["min"], row["max"]
    column = Column(
        name=row["column_name"],
        type=row["column_type"],
        rows=row["count"],
        nulls=float(row["null_percentage"] or 0) / 100,
        distinct=max(row["approx_unique"], 2) if least != most else int(least is not None),
        sample=least,
    )
    if column.kind in {"whole", "large", "fraction"} and least is not None:
        return replace(column, least=float(least), most=float(most))
    if column.kind != "list" or column.type.endswith("]["):
        return column
    (of_list,) = database.rows(
        f"select coalesce(min(len({column.sql})), 0) as least, coalesce(max(len({column.sql})), 0) as most, "
        f"(select count(distinct e) from (select unnest({column.sql}) as e from {view})) as n from {view}"
    )
    return replace(column, distinct=of_list["n"], lengths=(of_list["least"], of_list["most"]))


def tokens(name: str) -> list[str]:
    """A name in lower-case words: `adId2` is ad, id2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def named(part: str, columns: Iterable[Column]) -> Column | None:
    """The column whose name says a part of the contract best; None where no name says it."""
    shortest_first = sorted(columns, key=lambda column: len(column.name))
    return next((one for word in _WORDS[part] for one in shortest_first if word in tokens(one.name)), None)


def preset_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """What a preset calls each name: letters, digits and underscores, a letter first; all differ, none is `taken`."""
    used = {*taken, "all"}  # which is the sum over slices
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"^(?![a-z])", "n_", "_".join(tokens(name)))
        others = (f"{plain}_{number}" for number in range(2, len(used) + 3))
        found[name] = next(named for named in (plain, *others) if named not in used)
        used.add(found[name])
    return found


def sql_as(value: str, name: str) -> str:
    """SQL of a value under a name; a column that has the name already is written alone."""
    return value if value == sql_name(name) else f"{value} as {sql_name(name)}"


def toml(values: Mapping[str, Any]) -> str:
    """Lines of TOML, one for each key."""
    return "\n".join(f"{key} = {_toml(value)}" for key, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        each, apart = list(map(_toml, value)), any(isinstance(one, Mapping) for one in value)
        return "".join(("[\n  ", ",\n  ".join(each), ",\n]")) if apart else f"[{', '.join(each)}]"
    # Text has the escapes of JSON and more.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
