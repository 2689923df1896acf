"""Where the three tables are below a folder, and which part of their paths is the day."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.config import DAY
from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES

_SUFFIXES = (".parquet", ".csv", ".csv.gz")
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
_SHORT = re.compile(r"\{day:%-([md])\}")
# of a file's name behind the day: an hour, a number or a UUID, which says which of the day's files it is
_NUMBERS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^-_.]*\d[^-_.]*")
_HEX = frozenset("0123456789abcdef-")


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
    groups = _by_template(folder, files)
    if not groups:
        raise LogsError(
            f"{folder} has {len(files)} .parquet or .csv files whose path has a day, such as "
            "requests/date=2026-01-25/part-0.parquet; name the folder of requests, ads and candidates"
        )
    common = _common(groups)
    places: dict[str, TablePlace] = {}
    for table in ("candidates", "requests", "ads"):  # "ad" is in the names of the others too
        taken = {template for place in places.values() for template in (place.template, *place.further)}
        free = {template: days for template, days in groups.items() if template not in taken}
        places[table] = _place_of(table, free, folder, common)
    return {table: places[table] for table in TABLES}


def _by_template(folder: Path, files: Sequence[Path]) -> dict[str, dict[date, list[Path]]]:
    """The files of each template by day. Where one folder of a day has several tables, their files' names say which."""
    groups: dict[str, dict[date, list[Path]]] = {}
    for file in files:
        if (placed := _placed(file.relative_to(folder).as_posix())) is not None:
            template, day = placed
            groups.setdefault(template, {}).setdefault(day, []).append(file)
    groups = _of_all_numbers(_of_one_width(groups))
    groups = {name: days for template, own in groups.items() for name, days in _split(template, own)}
    common = _common(groups)
    missing = {table for table in TABLES if not any(_ranked(table, groups, common))}
    return {name: days for template, own in groups.items() for name, days in _split(template, own, missing)}


def _common(templates: Collection[str]) -> set[str]:
    """Folders that are in all templates and so say nothing."""
    return (
        set.intersection(*(set(template.split("/")) for template in templates))
        if len(templates) > 1
        else set()
    )


def _of_one_width(groups: Mapping[str, dict[date, list[Path]]]) -> dict[str, dict[date, list[Path]]]:
    """The same, with day=9 and day=10 under one template: 10 alone does not say that numbers have no leading zero."""
    # The codes, m and d, that some day of a template has without a leading zero.
    short: dict[str, set[str]] = {}
    for template in groups:
        short.setdefault(_SHORT.sub(r"{day:%\1}", template), set()).update(_SHORT.findall(template))
    merged: dict[str, dict[date, list[Path]]] = {}
    for template, days in groups.items():
        name = _SHORT.sub(r"{day:%\1}", template)
        for code in short[name]:
            name = name.replace(f"{{day:%{code}}}", f"{{day:%-{code}}}")
        for day, files in days.items():
            is_same = _of_day(name, day) == _of_day(template, day)
            merged.setdefault(name if is_same else template, {}).setdefault(day, []).extend(files)
    return merged


def _of_all_numbers(groups: Mapping[str, dict[date, list[Path]]]) -> dict[str, dict[date, list[Path]]]:
    """The same, with `{day}-00` and `{day}-01` under one template, `{day}-*`: a day has several files.

    If one of several partitions has such files, the others get the same template.
    """
    alike: dict[str, set[str]] = {}
    for template in groups:
        name = _without_partitions(_of_any_number(template))
        alike.setdefault(name, set()).add(_without_partitions(template))
    merged: dict[str, dict[date, list[Path]]] = {}
    for template, days in groups.items():
        name = _of_any_number(template)
        into = merged.setdefault(name if len(alike[_without_partitions(name)]) > 1 else template, {})
        for day, files in days.items():
            into.setdefault(day, []).extend(files)
    return merged


def _without_partitions(template: str) -> str:
    """The template without the values of its partitions: `region=/{day}` of `region=eu/{day}`."""
    return _PARTITION.sub(r"\1", template)


def _of_any_number(template: str) -> str:
    """The template with `*` in the place of the numbers that its file's name has behind the day."""
    head, brace, behind = template.rpartition("}")
    if not brace or "/" in behind:
        return template
    suffix = next(suffix for suffix in _SUFFIXES if behind.endswith(suffix))
    return f"{head}{brace}{_NUMBERS.sub(_any_number, behind.removesuffix(suffix))}{suffix}"


def _any_number(part: re.Match[str]) -> str:
    """`*`; behind a table's name if there is one: `ads*` of ads1. A hash such as ad3f21 is no name."""
    is_hash = len(part[0]) > 5 and set(part[0]) <= _HEX
    return "*" if is_hash or not _tables_of(part[0]) else re.sub(r"\d.*", "*", part[0])


def _of_day(template: str, day: date) -> str:
    return DAY.sub(lambda field: day.strftime(field[1] or "%Y-%m-%d"), template)


def _split(
    template: str, days: dict[date, list[Path]], missing: Collection[str] = ()
) -> Iterable[tuple[str, dict[date, list[Path]]]]:
    """A template's files, by their names where these say two or more tables, or one that no template says."""
    by_name: dict[str, dict[date, list[Path]]] = {}
    for day, of_day in days.items():
        for file in of_day:
            by_name.setdefault(_of_name(template, file.name), {}).setdefault(day, []).append(file)
    said = [tables for name in by_name if (tables := _tables_of(name.rpartition("/")[2]))]
    several = len(said) > 1 and len(set.union(*said)) > 1
    return by_name.items() if several or set().union(*said) & set(missing) else [(template, days)]


def _of_name(template: str, name: str) -> str:
    """The template with a file's own name in the place of its `*`, where numbers are: `requests-*.parquet`."""
    head, slash, last = template.rpartition("/")
    if "{day" in last:
        return template
    suffix = next(suffix for suffix in _SUFFIXES if name.endswith(suffix))
    return f"{head}{slash}{re.sub(r'[0-9].*', '*', name.removesuffix(suffix))}{suffix}"


def _tables_of(name: str) -> set[str]:
    """Tables that the name of a file is about."""
    return {table for table in TABLES if _match(table, name.lower()) is not None}


def _placed(path: str) -> tuple[str, date] | None:
    """The template and the day of a file's path; None where no part of it is a day."""
    found = _DAY.search(path)
    if found is None:
        return None
    try:
        day = date(*(int(found[g] or found[f"{g}2"]) for g in "ymd"))
    except ValueError:
        return None
    *behind, last = path[found.end() :].split("/")
    behind = [re.sub(r"^([^/=]+=).*|^\d+$", lambda part: f"{part[1] or ''}*", part) for part in behind]
    name = path[: found.start()] + _code(found, day) + "/".join((*behind, last))
    head, slash, last = name.rpartition("/")
    suffix = next(suffix for suffix in _SUFFIXES if last.endswith(suffix))
    return (name if "{day" in last else f"{head}{slash}*{suffix}"), day


def _code(found: re.Match[str], day: date) -> str:
    if found["folders"] is None:
        gap = found["a"]
        return "{day}" if gap == "-" else f"{{day:%Y{gap}%m{gap}%d}}"
    month, of_month = ("%m" if len(found["m2"]) > 1 else "%-m"), ("%d" if len(found["d2"]) > 1 else "%-d")
    text = found[0]
    parts = text.rsplit("/", 2)
    year = parts[0].replace(found["y2"], "{day:%Y}")
    return "/".join(
        (
            year,
            re.sub(r"\d+$", f"{{day:{month}}}", parts[1]),
            re.sub(r"\d+$", f"{{day:{of_month}}}", parts[2]),
        )
    )


def _place_of(
    table: str, groups: dict[str, dict[date, list[Path]]], folder: Path, common: Collection[str]
) -> TablePlace:
    ranked = sorted(_ranked(table, groups, common))
    best = [template for rank, template in ranked if rank == ranked[0][0]]
    if len({_without_partitions(template) for template in best}) != 1:
        raise LogsError(
            f"{folder} has {', '.join(sorted(groups))}: which of them is {table} can't be told by the names; name its "
            f"folder {table}"
        )
    days = set.intersection(*(set(groups[template]) for template in best))
    files = {day: [file for template in best for file in groups[template][day]] for day in sorted(days)}
    return TablePlace(table, best[0], files, tuple(best[1:]))


def _ranked(table: str, templates: Iterable[str], common: Collection[str]) -> Iterator[tuple[int, str]]:
    """How well each template says the table. What is `common` to all of them, such as a folder logs/, says nothing."""
    for template in templates:
        own = "/".join(part for part in template.split("/") if "{" in part or part not in common)
        before, _, behind = own.lower().partition("{")
        name = before if re.search("[a-z]", before.rpartition("/")[0] or before) else behind.partition("}")[2]
        if (rank := _match(table, name)) is not None:
            yield rank, template


def _match(table: str, name: str) -> int | None:
    """How well a name says a table, 0 being best; None where it does not."""
    words = (table, *_ALSO_CALLED[table])
    return next((n for n, word in enumerate(words) if re.search(rf"(^|[^a-z]){word}", name)), None)
