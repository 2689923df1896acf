"""The files that a template such as `year={day:%Y}/month={day:%m}/day={day:%d}/*.parquet` stands for, and their days.

Only a template's own `*` stands for other text; what else a folder's name has, stands for itself.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from mtmd.config import DAY, DAY_CODES
from mtmd.errors import LogsError
from mtmd.logs.checksums import SUMS, Sums, read_sums

_DIGITS = {"%Y": r"(\d{4})", "%m": r"(\d{2})", "%d": r"(\d{2})", "%-m": r"(\d{1,2})", "%-d": r"(\d{1,2})"}
_ISO = "%Y-%m-%d"
_CODE = re.compile("|".join(DAY_CODES))


class RemoteFolder(Protocol):
    """A place in a bucket, with what finding the files of a day needs of a Path, and a listing of its own."""

    @property
    def name(self) -> str:
        """The last name of its way."""

    def __truediv__(self, behind: str | Path) -> Self: ...
    def __lt__(self, other: Self) -> bool: ...
    def exists(self) -> bool:
        """Whether something is there."""

    def iterdir(self) -> Iterator[Self]:
        """The folders and files that are directly in it."""

    def found(self) -> Self | None:
        """The file of this very name."""

    def matching(self, *ways: tuple[re.Pattern[str], ...]) -> list[Self]:
        """The files below whose way there has the names of one of these, in order."""


Place = TypeVar("Place", Path, RemoteFolder)


@dataclass(frozen=True)
class DayTemplate(Generic[Place]):
    """A checked template below a folder or a prefix of a bucket; an absolute template leaves the folder out."""

    folder: Place
    text: str

    @property
    def above(self) -> Place:
        """The folder that all days are below."""
        parts = Path(self.text).parts
        first = next(n for n, part in enumerate(parts) if "*" in part or DAY.search(part))
        return self.folder / Path(*parts[:first])

    def files(self, table: str, day: date) -> list[Place]:
        """The day's files, in the order of their names; a list of their checksums is none of them.

        Raises LogsError naming the table, the day and the place when there are none.
        """
        return self.files_and_sums(table, day)[0]

    def files_and_sums(self, table: str, day: date) -> tuple[list[Place], list[Place]]:
        """The day's files, and the lists of checksums in their folder and in folders below it that have some of them.

        Raises as `files` does. A bucket is listed once for both.
        """
        place, behind = self._at(day)
        try:
            found = _found(place, behind)
        except OSError as error:
            raise LogsError(
                f"{table} of {day}: {error.filename} can't be read ({error.strerror}); let this user read it, or "
                "remove it"
            ) from error
        if files := [one for one in found if one.name != SUMS]:
            sums = [one for one in found if one.name == SUMS]
            return _readable(files, table, day), _readable(sums, table, day)
        named = "*" in "".join(behind)
        place = place if named else place / behind[0]
        if not place.exists():
            raise LogsError(
                f"{table} of {day}: {place} does not exist; write the day's files there, then run again"
            )
        if not named:
            raise LogsError(f"{table} of {day}: {place} is a folder; let the template end in /*.parquet")
        raise LogsError(
            f"{table} of {day}: {place} has no {_in_words(behind)} file; write the day's files there"
        )

    def pattern(self, day: date) -> str:
        """A regular expression of the paths that the day's files may have."""
        place, behind = self._at(day)
        names = "/".join("[^/]*".join(map(re.escape, name.split("*"))) for name in behind)
        return f"{re.escape(str(place))}/{names}"

    def _at(self, day: date) -> tuple[Place, tuple[str, ...]]:
        """The folder of the day's files as far as it is fixed, and the names behind it, the last of them a file's."""
        parts = Path(DAY.sub(lambda field: day.strftime(field[1] or _ISO), self.text)).parts
        first = next((n for n, part in enumerate(parts) if "*" in part), len(parts) - 1)
        return self.folder / Path(*parts[:first]), parts[first:]

    def days(self) -> set[date]:
        """The days that have the file, or the folder of their files.

        Raises LogsError naming a file or folder whose date is no day of the calendar.
        """
        parts = Path(self.text).parts
        last = max(n for n, part in enumerate(parts) if DAY.search(part))
        literal = next((n for n in range(last + 1, len(parts)) if "*" in parts[n]), len(parts))
        return set(_walk(self.folder, parts[:literal], {}))


def sums_at(place: Path, table: str, day: date) -> Sums:
    """The list of checksums of a place that `files_and_sums` gave; raises LogsError where it can't be read."""
    try:
        return read_sums(str(place).removesuffix(f"/{SUMS}"), place.read_bytes())
    except FileNotFoundError as error:
        raise LogsError(
            f"{table} of {day}: {place} was removed after it was listed; run again when the day is complete"
        ) from error
    except OSError as error:
        raise LogsError(
            f"{table} of {day}: {place} can't be read ({error.strerror or error}); mend or remove it"
        ) from error
    except LogsError as error:
        raise LogsError(f"{table} of {day}: {error}") from error


def of_day(templates: Iterable[DayTemplate[Any]], day: date) -> Callable[[str], bool]:
    """Whether a file of a path would be one of the day's in one of these places: a function that is fast on each."""
    pattern = re.compile("|".join(template.pattern(day) for template in templates))
    return lambda path: pattern.fullmatch(path) is not None


def _readable(found: list[Place], table: str, day: date) -> list[Place]:
    """The same; raises LogsError for what no reader could read to its end, such as a named pipe."""
    for path in found:
        if isinstance(path, Path) and not path.is_file():
            kind = (
                "a folder"
                if path.is_dir()
                else "a link to nothing"
                if path.is_symlink()
                else "no regular file"
            )
            raise LogsError(f"{table} of {day}: {path} is {kind}; a day's files must be files: remove it")
    return found


def _found(place: Place, behind: tuple[str, ...]) -> list[Place]:
    """The files of these names behind a place, and the lists of checksums in each folder on the way."""
    ways = [behind, *((*behind[:n], SUMS) for n in range(len(behind)))]
    if not isinstance(place, Path):
        if "*" not in "".join(behind):  # what else is in the folder need not be listed
            exact = (place / behind[0], place / SUMS)
            return [one for one in (path.found() for path in exact) if one is not None]
        return place.matching(*(tuple(re.compile(_escaped(part)) for part in way) for way in ways))
    named = "*" in "".join(behind)
    found: set[Any] = {path for way in ways for path in _behind(place, way)}
    return sorted(path for path in found if named or path.name == SUMS or not path.is_dir())


def _behind(place: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """What has these names behind a place. Path.glob would leave out folders that can't be read, without a word."""
    name, *others = names
    if "*" in name:
        pattern = re.compile(_escaped(name))
        found = [path for path in _children(place) if pattern.fullmatch(path.name)]
    else:
        found = [place / name]
    for path in found:
        if others:
            yield from _behind(path, tuple(others))
        elif path.is_symlink() or path.exists():
            yield path


def _children(place: Path) -> list[Path]:
    """What is in a folder; nothing in a file. Raises OSError for a folder that can't be read."""
    try:
        return list(place.iterdir())
    except NotADirectoryError:
        return []
    except FileNotFoundError:
        if place.is_symlink():  # to a folder elsewhere, which is away
            raise
        return []


def _in_words(behind: tuple[str, ...]) -> str:
    return behind[0].removeprefix("*") if len(behind) == 1 else "/".join(behind)


def _walk(place: Place, parts: tuple[str, ...], known: dict[str, int]) -> Iterator[date]:
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
    children: list[Place] = sorted(place.iterdir()) if is_folder else []
    for child in children:
        match = pattern.fullmatch(child.name)
        said: list[tuple[str, int]] = (
            [(code[-1], int(digits)) for code, digits in zip(codes, match.groups(), strict=True)]
            if match
            else []
        )
        agreed = known | dict(said)
        if match and all(agreed[key] == value for key, value in (*said, *known.items())):
            yield from _walk(child, tuple(behind), agreed)


def _pattern(part: str) -> tuple[re.Pattern[str], list[str]]:
    """What a part of a template matches, with a group for each code."""
    codes = _CODE.findall(DAY.sub(lambda field: field[1] or _ISO, part))
    pieces = []
    end = 0
    for field in DAY.finditer(part):
        pieces.append(_escaped(part[end : field.start()]))
        pieces += [_DIGITS.get(piece, re.escape(piece)) for piece in _split(field[1] or _ISO)]
        end = field.end()
    return re.compile("".join((*pieces, _escaped(part[end:])))), codes


def _split(codes: str) -> list[str]:
    return re.split(f"({_CODE.pattern})", codes)


def _escaped(text: str) -> str:
    return ".*".join(map(re.escape, text.split("*")))


def _day(place: Path | RemoteFolder, known: dict[str, int]) -> date:
    try:
        return date(known["Y"], known["m"], known["d"])
    except ValueError:
        raise LogsError(f"{place} is named after no day of the calendar; rename or remove it") from None
