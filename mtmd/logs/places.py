"""Where a table's days are: the files that a template such as `year={day:%Y}/month={day:%m}/*.parquet` stands for.

Only a template's own `*` stands for other text; what else a folder's name has, stands for itself.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mtmd.config import DAY, DAY_CODES
from mtmd.errors import LogsError
from mtmd.store.stores import resolve

_DIGITS = {"%Y": r"(\d{4})", "%m": r"(\d{2})", "%d": r"(\d{2})", "%-m": r"(\d{1,2})", "%-d": r"(\d{1,2})"}
_FIELDS = {"Y": "year", "m": "month", "d": "day"}
_ISO = "%Y-%m-%d"
_CODE = re.compile("|".join(DAY_CODES))


def day_directory(logs: str | Path, table: str, day: date) -> Path:
    """Where one table's files of one day are, unless a preset says otherwise."""
    return resolve(logs) / table / f"date={day.isoformat()}"


def of_day(text: str, day: date) -> str:
    """A template's text, or a place with it, for one day."""
    return DAY.sub(lambda field: day.strftime(field[1] or _ISO), text)


@dataclass(frozen=True)
class DayTemplate:
    """A checked template below a folder, or below a prefix of a bucket; an absolute template leaves the folder out.

    `folder` is a Path, or a place in a bucket: that has what is used of a Path here, and lists by `found`, the file of
    its own name, and `matching`, the files below whose names match.
    """

    folder: Any
    text: str

    @property
    def above(self) -> Any:
        """The folder that all days are below."""
        parts = Path(self.text).parts
        first = next(n for n, part in enumerate(parts) if "*" in part or DAY.search(part))
        return self.folder / Path(*parts[:first])

    def files(self, table: str, day: date) -> list[Any]:
        """The day's files, in the order of their names, by one listing of a bucket.

        Raises LogsError naming the place: there are none, one is no regular file, or a folder can't be read.
        """
        parts = Path(of_day(self.text, day)).parts
        first = next((n for n, part in enumerate(parts) if "*" in part), len(parts) - 1)
        place, names = self.folder / Path(*parts[:first]), parts[first:]
        if not (found := _found(place, names)):
            raise LogsError(
                f"{table} of {day}: {'/'.join((str(place), *names))} does not exist",
                "write the day's files there, or correct the preset's place",
            )
        for path in found:
            if isinstance(path, Path) and not path.is_file():
                raise LogsError(
                    f"{table} of {day}: {path} is no regular file",
                    "remove it; where it is a folder, let the template end in /*.parquet",
                )
        return found

    def days(self) -> set[date]:
        """The days that have the file, or the folder of their files.

        Raises LogsError naming a file or folder whose date is no day of the calendar.
        """
        parts = Path(self.text).parts
        last = max(n for n, part in enumerate(parts) if DAY.search(part))
        fixed = next((n for n in range(last + 1, len(parts)) if "*" in parts[n]), len(parts))
        name = _pattern(str(Path(*parts[:fixed])))
        codes = _CODE.findall(DAY.sub(lambda field: field[1] or _ISO, self.text))
        said = (name.search(str(place)) for place in _below(self.folder, parts[:fixed]))
        return set(filter(None, (_day(codes, match) for match in said if match is not None)))


def _found(place: Any, names: tuple[str, ...]) -> list[Any]:
    """The files of these names behind a place."""
    if isinstance(place, Path):
        return sorted(_below(place, names))
    if "*" not in names[0]:  # what else is in the folder need not be listed
        return [one for one in [(place / names[0]).found()] if one is not None]
    return list(place.matching(tuple(map(_pattern, names))))


def _below(place: Any, names: Sequence[str]) -> Iterator[Any]:
    """What has these names below a place. Path.glob would leave out folders that can't be read, without a word."""
    if not names:
        yield place
        return
    name, *others = names
    if "*" not in name and not DAY.search(name):
        there = place / name
        if others or (os.path.lexists(there) if isinstance(there, Path) else there.exists()):
            yield from _below(there, others)
        return
    # A listing of a bucket's folder says by itself whether it is there.
    is_folder = not isinstance(place, Path) or place.is_dir() or place.is_symlink()
    try:
        children = sorted(place.iterdir()) if is_folder else []
    except OSError as error:
        raise LogsError(
            f"{place} can't be read ({error.strerror})", "let this user read it, or remove it"
        ) from error
    for child in children:
        if _pattern(name).fullmatch(child.name):
            yield from _below(child, others)


def _pattern(text: str) -> re.Pattern[str]:
    """What a template matches up to its end, with a group for each code."""
    pieces = re.split(f"({_CODE.pattern})", DAY.sub(lambda field: field[1] or _ISO, text))
    found = (_DIGITS.get(piece) or "[^/]*".join(map(re.escape, piece.split("*"))) for piece in pieces)
    return re.compile(rf"(?<![^/]){''.join(found)}$")


def _day(codes: Sequence[str], name: re.Match[str]) -> date | None:
    """The day that a place's name says; None where two parts of it say different ones."""
    said = {(code[-1], int(digits)) for code, digits in zip(codes, name.groups(), strict=True)}
    if len(said) > len({key for key, _ in said}):
        return None
    try:
        return date(**{_FIELDS[key]: value for key, value in said})
    except ValueError:
        raise LogsError(
            f"{name.string} is named after no day of the calendar", "rename or remove it"
        ) from None
