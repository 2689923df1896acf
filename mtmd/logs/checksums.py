"""Checksums of a day's files by whoever wrote them: a file SHA256SUMS in their folder, as `sha256sum` prints it.

It is optional. Where it is there, a day's files are those that it lists, with the content that it says: so bits that
flipped on the way are noticed.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from posixpath import join, normpath

from mtmd.errors import LogsError

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def read_sums(place: str, content: bytes) -> dict[str, str]:
    """The sha256 of each listed file, by its path; names are seen from the folder of the list at `place`.

    Raises LogsError naming a line that is no checksum.
    """
    folder, listed = place.removesuffix(f"/{SUMS}"), dict[str, str]()
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise LogsError(
                f"{place}, line {number} ({line[:80]!r}) is no checksum; a line must be a sha256, two blanks and the "
                f"name of a file",
                f"write it with `sha256sum *.parquet > {SUMS}`",
            )
        listed[join(folder, normpath(match[2]))] = match[1].lower()
    return listed


def require_as_listed(
    table: str,
    day: date,
    found: Mapping[str, str],
    place: str,
    listed: Mapping[str, str],
    is_of_day: Callable[[str], bool],
) -> None:
    """Compare the sha256 of a day's files, by path, with the list at `place`.

    `is_of_day` says whether a listed path would be one of the day's. Raises LogsError naming the file and both digests:
    another digest, a file that is not listed, and one that is listed and not there.
    """
    wanted = {path: sha256 for path, sha256 in listed.items() if is_of_day(path)}
    for path in found.keys() | wanted.keys():
        is_listed, is_there = wanted.get(path, "no file"), found.get(path, "not there")
        if is_listed != is_there:
            raise LogsError(
                f"{table} of {day}: {path} is {is_there} by its sha256, and {place} lists {is_listed}: it was damaged, "
                "lost or changed after the list was written",
                "deliver the file again, or, if the file is right, the list",
            )
