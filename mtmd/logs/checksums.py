"""Checksums of a day's files by whoever wrote them: a file SHA256SUMS beside them, as `sha256sum` prints it.

It is optional. Where it is there, a day's files are those that it lists, with the content that it says.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import lru_cache
from posixpath import join, normpath

from mtmd.config import Frozen
from mtmd.errors import LogsError

SUMS = "SHA256SUMS"
_LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")  # a backslash comes first where the name has some
_ESCAPED = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


class Sums(Frozen):
    """One such file: where it is, and the sha256 of each file that it lists, by the path of that file."""

    place: str
    sha256: dict[str, str]


@lru_cache(maxsize=8)  # a list for many days is asked for with each of them; as many as three tables have
def read_sums(folder: str, content: bytes) -> Sums:
    """The content of a `SHA256SUMS` in a folder, whose path or URL its names are seen from.

    The same content is parsed once. Raises LogsError naming a line that is no checksum, or is about a file that another
    line has otherwise.
    """
    place, found = join(folder, SUMS), dict[str, str]()
    for number, text in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        line = text.removesuffix("\r")
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise LogsError(
                f"{place}, line {number} ({line[:80]!r}) is no checksum; a line must be a sha256, two blanks and the "
                f"name of a file: write it with `sha256sum *.parquet > {SUMS}`"
            )
        escaped, sha256, name = match.groups()
        if escaped:
            name = re.sub(r"\\[\\nr]", lambda code: _ESCAPED[code[0]], name)
        path = _below(folder, name)
        if found.setdefault(path, sha256.lower()) != sha256.lower():
            raise LogsError(
                f"{place}, line {number}: {name} is listed with two digests ({found[path]} and {sha256.lower()}); keep "
                "the right one"
            )
    return Sums(place=place, sha256=found)


def require_as_listed(
    table: str, day: date, found: Mapping[str, str], sums: Iterable[Sums], is_of_day: Callable[[str], bool]
) -> None:
    """Compare the sha256 of a day's files, by path, with the files of checksums nearest to them.

    Files that have none beside or above them are believed; `is_of_day` says whether a path would be one of the day's.
    Raises LogsError naming the file, both digests and what to do: another digest, a file that is not listed, and one
    that is listed and not there.
    """
    by_folder = {one.place.removesuffix(SUMS): one for one in sums}
    for path, sha256 in found.items():
        above = [folder for folder in by_folder if path.startswith(folder)]
        if not above:
            continue
        listing = by_folder[max(above, key=len)]
        listed = listing.sha256.get(path)
        if listed is None:
            raise LogsError(
                f"{table} of {day}: {path} (sha256 {sha256}) is not listed in {listing.place}; remove the file, or "
                "list it there"
            )
        if listed != sha256:
            raise LogsError(
                f"{table} of {day}: {path} has sha256 {sha256}, and {listing.place} lists {listed}: the file was "
                "damaged or changed after the list was written; deliver the file again, or, if the file is right, "
                "the list"
            )
    for listing in by_folder.values():
        for path, listed in listing.sha256.items():
            if path not in found and is_of_day(path):
                raise LogsError(
                    f"{table} of {day}: {path} is listed in {listing.place} (sha256 {listed}) and is not there; "
                    "deliver the file, or remove its line from the list"
                )


def _below(folder: str, name: str) -> str:
    """The path of a listed file; a folder may be a URL, whose slashes stay."""
    return join(folder, normpath(name))
