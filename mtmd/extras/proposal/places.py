"""Which files below a folder are of one table, and which part of their paths is the day."""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.errors import LogsError

_SUFFIX = ".parquet"
# 2026-01-05, 20260105, or folders of a year, a month and a day, such as year=2026/month=1/day=5
_DAY = re.compile(
    r"(?P<y>20\d\d)(?P<gap>[-_]?)(?P<m>0[1-9]|1[0-2])(?P=gap)(?P<d>0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(?P<y2>20\d\d)(?P<to_m>/[^/\d]*)(?P<m2>\d\d?)(?P<to_d>/[^/\d]*)(?P<d2>\d\d?)(?=/)"
)
# What the name of a file begins with, where it may say the table: no digits, no hash, no usual name of a part.
_WORD = re.compile(r"(?!part|data|file|chunk|batch)[^\d.]*[g-zG-Z][^\d.]*")


@dataclass(frozen=True)
class Place:
    """Files by day, and the template that finds them: seen from the folder, with the day in braces."""

    template: str
    days: dict[date, list[Path]]


def find_places(folder: Path) -> list[Place]:
    """All places of files with a day; what is hidden is left out.

    Raises LogsError naming the folder and how many files it has, where none has a day.
    """
    files = sorted(path for path in folder.rglob(f"*{_SUFFIX}") if path.is_file())
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
        raise LogsError(
            f"{folder} has {len(files)} .parquet files, and no path of them has a day, such as "
            "requests/date=2026-01-25/part-0.parquet",
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
