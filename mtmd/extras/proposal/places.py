"""Where the three tables are below a folder, and which part of their paths is the day."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES

_SUFFIX = ".parquet"
_ALSO_CALLED = {  # words of each table's name, the likeliest first
    "requests": ("request", "quer", "auction", "search", "session"),
    "ads": ("ad", "item", "creative", "pin", "product", "inventory", "catalog"),
    "candidates": ("candidate", "pair", "scored", "score", "impression", "exposure", "event", "log"),
}
# 2026-01-05, 20260105, or folders of a year, a month and a day, such as year=2026/month=1/day=5
_DAY = re.compile(
    r"(?P<y>20\d\d)(?P<gap>[-_]?)(?P<m>0[1-9]|1[0-2])(?P=gap)(?P<d>0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?P<y2>20\d\d)(?P<to_m>/[^/\d]*)(?P<m2>\d\d?)(?P<to_d>/[^/\d]*)(?P<d2>\d\d?)(?=/)"
)


@dataclass(frozen=True)
class TablePlace:
    """A table's files by day, and the template that finds them: seen from the folder, with the day in braces."""

    table: str
    template: str
    days: dict[date, list[Path]]

    @property
    def is_usual(self) -> bool:
        """Whether a preset finds the files without being told."""
        return self.template == f"{self.table}/date={{day}}/*.parquet"


def find_places(folder: Path) -> dict[str, TablePlace]:
    """Each table's place, by the names of the folders or files that hold its days.

    Raises LogsError naming the folder and what is there, where a table has no place or several.
    """
    files = sorted(path for path in folder.rglob(f"*{_SUFFIX}") if path.is_file())
    seen = {file: file.relative_to(folder).as_posix() for file in files}
    days = {
        file: match
        for file, path in seen.items()
        if not re.search(r"(^|/)\.", path) and (match := _DAY.search(path)) and _day(match)
    }
    short = any(len(match["m2"] or "01") == 1 or len(match["d2"] or "01") == 1 for match in days.values())
    groups: dict[str, dict[date, list[Path]]] = {}
    for file, match in days.items():
        if day := _day(match):
            groups.setdefault(_template(seen[file], match, short), {}).setdefault(day, []).append(file)
    if not groups:
        raise LogsError(
            f"{folder} has {len(files)} .parquet files, and no path of them has a day, such as "
            "requests/date=2026-01-25/part-0.parquet",
            "name the folder of requests, ads and candidates",
        )
    places: dict[str, TablePlace] = {}
    for table in ("candidates", "requests", "ads"):  # "ad" is in the names of the others too
        taken = {place.template for place in places.values()}
        template = _of_table(table, [name for name in groups if name not in taken], folder)
        places[table] = TablePlace(table, template, dict(sorted(groups[template].items())))
    return {table: places[table] for table in TABLES}


def _day(match: re.Match[str]) -> date | None:
    """None where the calendar has no such day."""
    try:
        return date(*(int(match[part] or match[f"{part}2"]) for part in "ymd"))
    except ValueError:
        return None


def _template(path: str, match: re.Match[str], short: bool) -> str:
    """The path with the day in braces, and * for all behind it but words that name a table."""
    if match["y"]:
        gap = match["gap"]
        day = "{day}" if gap == "-" else f"{{day:%Y{gap}%m{gap}%d}}"
    else:
        month, of_month = ("{day:%-m}", "{day:%-d}") if short else ("{day:%m}", "{day:%d}")
        day = f"{{day:%Y}}{match['to_m']}{month}{match['to_d']}{of_month}"
    *folders, last = path[match.end() :].split("/")
    stem = last.removesuffix(_SUFFIX)
    folders = [re.sub(r"^([^/=]+=).*|^\d+$", lambda part: f"{part[1] or ''}*", part) for part in folders]
    named = re.split(r"\d", stem)[0]
    if any(_rank(table, named) is not None for table in TABLES):
        stem = named + ("*" if named != stem else "")
    elif stem:
        stem = "*"
    return path[: match.start()] + day + "/".join((*folders, f"{stem}{_SUFFIX}"))


def _of_table(table: str, templates: Sequence[str], folder: Path) -> str:
    """The template whose words say the table best."""
    ranked = sorted((rank, name) for name in templates if (rank := _rank(table, name)) is not None)
    best = [name for rank, name in ranked if rank == ranked[0][0]]
    if len(best) != 1:
        raise LogsError(
            f"{folder} has {', '.join(sorted(templates))}: which of them is {table} can't be told by the names",
            f"name its folder {table}",
        )
    return best[0]


def _rank(table: str, text: str) -> int | None:
    """How well a text says a table, 0 being best; None where it does not. The word alone says more than ads_report."""
    text = re.sub(r"\{.*?\}|\.parquet", "/", text.lower())
    words = (table, *_ALSO_CALLED[table])
    found = [re.search(rf"(^|[^a-z]){word}(?P<more>[a-z_]*)", text) for word in words]
    ranks = (2 * n + bool(match["more"].strip("_s")) for n, match in enumerate(found) if match)
    return min(ranks, default=None)
