"""Where a table's days are: the files that a template such as `year={day:%Y}/month={day:%m}/*.parquet` stands for.

Only a template's own `*` stands for other text; what else a folder's name has, stands for itself.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mtmd.config import DAY, DAY_CODES
from mtmd.errors import LogsError
from mtmd.logs.digests import SUMS
from mtmd.store.files import locked
from mtmd.store.stores import resolve

_DIGITS = {"%Y": r"(\d{4})", "%m": r"(\d{2})", "%d": r"(\d{2})", "%-m": r"(\d{1,2})", "%-d": r"(\d{1,2})"}
_ISO = "%Y-%m-%d"
_CODE = re.compile("|".join(DAY_CODES))
_PATIENCE_S = 24 * 3600  # while another command writes the same folder


def day_directory(logs: str | Path, table: str, day: date) -> Path:
    """Where one table's files of one day are, unless a preset says otherwise."""
    return resolve(logs) / table / f"date={day.isoformat()}"


def alone(logs: Path) -> AbstractContextManager[None]:
    """Hold the lock of whoever writes a folder of logs, since two would mix their days; waits for another one.

    It lies in the folder: the one above may be another machine's, or root's, as above a container's volume.
    """
    return locked(logs / ".lock", _PATIENCE_S)


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

    def sums(self, day: date) -> Any:
        """Where the list of checksums of the day's files is, if there is one."""
        return self._at(day)[0] / SUMS

    def is_of_day(self, path: str, day: date) -> bool:
        """Whether a file of this path would be one of the day's."""
        place, names = self._at(day)
        pattern = "/".join("[^/]*".join(map(re.escape, name.split("*"))) for name in names)
        return re.fullmatch(f"{re.escape(str(place))}/{pattern}", path) is not None

    def files(self, table: str, day: date) -> list[Any]:
        """The day's files, in the order of their names; raises as `listed` does."""
        return [one for one in self.listed(table, day) if one.name != SUMS]

    def listed(self, table: str, day: date) -> list[Any]:
        """The day's files, and the list of their checksums, if there is one, by one listing of a bucket.

        Raises LogsError naming the table, the day and the place: there are none, or one can't be read.
        """
        place, names = self._at(day)
        try:
            found = _found(place, names)
        except OSError as error:
            raise LogsError(
                f"{table} of {day}: {error.filename} can't be read ({error.strerror})",
                "let this user read it, or remove it",
            ) from error
        if all(one.name == SUMS for one in found):
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
        return set(_walk(self.folder, parts[:fixed], {}))

    def _at(self, day: date) -> tuple[Any, tuple[str, ...]]:
        """The folder of the day's files as far as it is fixed, and the names behind it, the last of them a file's."""
        parts = Path(DAY.sub(lambda field: day.strftime(field[1] or _ISO), self.text)).parts
        first = next((n for n, part in enumerate(parts) if "*" in part), len(parts) - 1)
        return self.folder / Path(*parts[:first]), parts[first:]


def _found(place: Any, names: tuple[str, ...]) -> list[Any]:
    """The files of these names behind a place, and the list of checksums there."""
    ways = (names, (SUMS,))
    if isinstance(place, Path):
        return sorted({path for way in ways for path in _behind(place, way)})
    if "*" not in names[0]:  # what else is in the folder need not be listed
        return [one for one in ((place / names[0]).found(), (place / SUMS).found()) if one is not None]
    return list(place.matching(*(tuple(re.compile(_escaped(name)) for name in way) for way in ways)))


def _behind(place: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """What has these names behind a place. Path.glob would leave out folders that can't be read, without a word."""
    name, *others = names
    pattern = re.compile(_escaped(name))
    if "*" not in name:
        there = iter((place / name,))
    else:
        there = place.iterdir() if place.is_dir() or place.is_symlink() else iter(())
    for path in there:
        if not pattern.fullmatch(path.name):
            continue
        if others:
            yield from _behind(path, tuple(others))
        elif path.is_symlink() or path.exists():
            yield path


def _walk(place: Any, parts: tuple[str, ...], known: dict[str, int]) -> Iterator[date]:
    """Days below a place; `known` has the year, month and day that its own name says already."""
    if not parts:
        yield _day(place, known)
        return
    part, *behind = parts
    if not DAY.search(part):
        if behind or (place / part).exists():  # a folder is there if a day is found below it
            yield from _walk(place / part, tuple(behind), known)
        return
    pattern, codes = _pattern(part)
    # A listing of a bucket's folder says by itself whether it is there.
    is_folder = not isinstance(place, Path) or place.is_dir()
    for child in sorted(place.iterdir()) if is_folder else []:
        if (match := pattern.fullmatch(child.name)) is None:
            continue
        said = [(code[-1], int(digits)) for code, digits in zip(codes, match.groups(), strict=True)]
        agreed = known | dict(said)
        if all(agreed[key] == value for key, value in (*said, *known.items())):
            yield from _walk(child, tuple(behind), agreed)


def _pattern(part: str) -> tuple[re.Pattern[str], list[str]]:
    """What a part of a template matches, with a group for each code."""
    text = DAY.sub(lambda field: field[1] or _ISO, part)
    pieces = re.split(f"({_CODE.pattern})", text)
    return re.compile("".join(_DIGITS.get(piece, _escaped(piece)) for piece in pieces)), _CODE.findall(text)


def _escaped(text: str) -> str:
    return ".*".join(map(re.escape, text.split("*")))


def _day(place: Any, known: dict[str, int]) -> date:
    try:
        return date(known["Y"], known["m"], known["d"])
    except ValueError:
        raise LogsError(f"{place} is named after no day of the calendar", "rename or remove it") from None
