"""Where the three tables are below a folder, and which part of their paths is the day."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES

_SUFFIXES = (".parquet", ".csv.gz", ".csv")
_ALSO_CALLED = {
    "requests": ("request", "quer", "auction", "search", "session"),
    "ads": ("ad", "item", "creative", "pin", "product", "inventory", "catalog"),
    "candidates": ("candidate", "pair", "scored", "score", "impression", "exposure", "event", "log"),
}
_DAY = re.compile(
    r"(?P<y>20\d\d)(?P<a>[-_]?)(?P<m>0[1-9]|1[0-2])(?P=a)(?P<d>0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?P<folders>[^/]*?(?P<y2>20\d\d)/[^/\d]*(?P<m2>\d\d?)/[^/\d]*(?P<d2>\d\d?))(?=/)"
)
_PARTITION = re.compile(r"([^/=]+=)[^/{}]*(?=/)")  # one that is no day
_Groups = dict[str, dict[date, list[Path]]]


@dataclass(frozen=True)
class TablePlace:
    """A table's files by day, and the template that finds them: seen from the folder, with the day in braces.

    Where partitions are above the days, each has a template, and a day has files in all of them.
    """

    table: str
    template: str
    days: dict[date, list[Path]]
    further: tuple[str, ...] = ()  # of the second partition and later ones

    @property
    def is_usual(self) -> bool:
        """Whether a preset finds the files without being told."""
        return self.template == f"{self.table}/date={{day}}/*.parquet"

    @property
    def is_csv(self) -> bool:
        return not self.template.endswith(".parquet")


def find_places(folder: Path) -> dict[str, TablePlace]:
    """Each table's place, by the names of the folders or files that hold its days.

    Raises LogsError naming the folder and what is there, where a table has no place or there is no file at all.
    """
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(_SUFFIXES) and p.is_file())
    files = [path for path in files if not any(part[0] == "." for part in path.relative_to(folder).parts)]
    groups = _groups(folder, files)
    if not groups:
        raise LogsError(
            f"{folder} has {len(files)} .parquet or .csv files whose path has a day, such as "
            "requests/date=2026-01-25/part-0.parquet",
            "name the folder of requests, ads and candidates",
        )
    common = set.intersection(*(set(name.split("/")) for name in groups)) if len(groups) > 1 else set()
    places: dict[str, TablePlace] = {}
    for table in ("candidates", "requests", "ads"):  # "ad" is in the names of the others too
        taken = {template for place in places.values() for template in (place.template, *place.further)}
        free = {template: days for template, days in groups.items() if template not in taken}
        places[table] = _place_of(table, free, folder, common)
    return {table: places[table] for table in TABLES}


def _groups(folder: Path, files: Sequence[Path]) -> _Groups:
    """The files of each template by day. A month or a day without a leading zero somewhere has none in any template."""
    placed = [(file, found) for file in files if (found := _placed(file.relative_to(folder).as_posix()))]
    short = {
        (_long(template), code)
        for _, (template, _) in placed
        for code in ("m", "d")
        if f"%-{code}" in template
    }
    groups: _Groups = {}
    for file, (template, day) in placed:
        name = template
        for code in (code for code in ("m", "d") if (_long(template), code) in short):
            name = name.replace(f"{{day:%{code}}}", f"{{day:%-{code}}}")
        groups.setdefault(name, {}).setdefault(day, []).append(file)
    return groups


def _long(template: str) -> str:
    return template.replace("{day:%-", "{day:%")


def _placed(path: str) -> tuple[str, date] | None:
    """The template and the day of a file's path; None where no part of it is a day."""
    found = _DAY.search(path)
    if found is None:
        return None
    try:
        day = date(*(int(found[group] or found[f"{group}2"]) for group in "ymd"))
    except ValueError:
        return None
    *behind, last = path[found.end() :].split("/")
    behind = [re.sub(r"^([^/=]+=).*|^\d+$", lambda part: f"{part[1] or ''}*", part) for part in behind]
    suffix = next(suffix for suffix in _SUFFIXES if path.endswith(suffix))
    stem = last.removesuffix(suffix)
    if behind:  # the day is in a folder: the file's name counts where it says a table
        stem = stem if _named(stem) == stem else f"{_named(stem)}*"
    else:
        stem = re.sub(r"[^-_.]*\d.*", lambda part: f"{_named(part[0])}*", stem)
    return path[: found.start()] + _code(found) + "/".join((*behind, f"{stem}{suffix}")), day


def _code(found: re.Match[str]) -> str:
    if found["folders"] is None:
        gap = found["a"]
        return "{day}" if gap == "-" else f"{{day:%Y{gap}%m{gap}%d}}"
    year, month, day = found[0].rsplit("/", 2)
    codes = ("%m" if len(found["m2"]) > 1 else "%-m"), ("%d" if len(found["d2"]) > 1 else "%-d")
    parts = (re.sub(r"\d+$", f"{{day:{code}}}", part) for code, part in zip(codes, (month, day), strict=True))
    return "/".join((year.replace(found["y2"], "{day:%Y}"), *parts))


def _named(name: str) -> str:
    """A file's name up to its first digit, where that says a table; empty otherwise: a hash such as ad3f21 does not."""
    before = "" if len(name) > 5 and set(name) <= set("0123456789abcdef-") else re.split(r"\d", name)[0]
    return before if any(_match(table, before.lower()) is not None for table in TABLES) else ""


def _place_of(table: str, groups: _Groups, folder: Path, common: Collection[str]) -> TablePlace:
    ranked = sorted(_ranked(table, groups, common))
    best = [template for rank, template in ranked if rank == ranked[0][0]]
    if len({_PARTITION.sub(r"\1", template) for template in best}) != 1:
        raise LogsError(
            f"{folder} has {', '.join(sorted(groups))}: which of them is {table} can't be told by the names",
            f"name its folder {table}",
        )
    days = set.intersection(*(set(groups[template]) for template in best))
    files = {day: [file for template in best for file in groups[template][day]] for day in sorted(days)}
    return TablePlace(table, best[0], files, tuple(best[1:]))


def _ranked(
    table: str, templates: Mapping[str, object], common: Collection[str]
) -> Iterator[tuple[int, str]]:
    """How well each template says the table. What is `common` to all of them, such as a folder logs/, says nothing."""
    for template in templates:
        own = "/".join(part for part in template.split("/") if "{" in part or part not in common)
        before, _, behind = own.lower().partition("{")
        name = before if re.search("[a-z]", before.rpartition("/")[0] or before) else behind.partition("}")[2]
        if (rank := _match(table, name)) is not None:
            yield rank, template


def _match(table: str, name: str) -> int | None:
    """How well a name says a table, 0 being best; None where it does not. The word alone says more than ads_report."""
    words = (table, *_ALSO_CALLED[table])
    found = [re.search(rf"(^|[^a-z]){word}(?P<more>[a-z_]*)", name) for word in words]
    ranks = (2 * n + bool(match["more"].strip("_s")) for n, match in enumerate(found) if match)
    return min(ranks, default=None)
