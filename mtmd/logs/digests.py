"""Content digests of the user's files, and what whoever wrote the files says that they are.

Digests are remembered, so that an unchanged window is not read again. Checksums are a file SHA256SUMS in the folder of
a day's files, as `sha256sum` prints it. It is optional. Where it is there, a day's files are those that it lists, with
the content that it says: so bits that flipped on the way are noticed.
"""

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from posixpath import join, normpath
from typing import Any

from mtmd.errors import LogsError, StorageError
from mtmd.store.files import read_json, sha256_file, write_json

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


_SETTLED_NS = 2_000_000_000  # coarser than any file system's clock

SourceFiles = dict[str, list[Path]]
Identity = tuple[int, int, int, int]


def source_digests(files: SourceFiles, cache: Path | None) -> dict[str, dict[str, str]]:
    """sha256 of each file, by table and file name.

    `cache`, if there is one, remembers digests by path and `file_identity`. A digest that was taken within two seconds
    of the file's last change is not remembered: a second change in the same tick of the file system's clock would not
    show. Raises LogsError naming a file that is gone since it was listed, or may not be read.
    """
    known = _remembered(cache) if cache is not None else {}
    seen = dict(known)
    digests: dict[str, dict[str, str]] = {}
    for table, paths in files.items():
        digests[table] = {}
        for path, name in zip(paths, file_names(paths), strict=True):
            identity = file_identity(path)
            entry = seen.get(str(path))
            if entry is None or entry.get("identity") != list(identity):
                with _reading(path):
                    entry = {"identity": list(identity), "sha256": sha256_file(path)}
                if time.time_ns() - identity[2] > _SETTLED_NS:
                    seen[str(path)] = entry
            digests[table][name] = entry["sha256"]
    if cache is not None and seen != known:
        write_json(cache, seen, seal=True)
    return digests


def file_names(paths: Collection[Path]) -> list[str]:
    """A name for each of a table's files: its own, or, where two have the same, the way from the folder they share."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    shared = os.path.commonpath(paths)
    return [path.relative_to(shared).as_posix() for path in paths]


def identities(files: SourceFiles) -> dict[str, Identity]:
    """The identity of every file: compared before and after, they show a change."""
    return {str(path): file_identity(path) for paths in files.values() for path in paths}


def file_identity(path: Path) -> Identity:
    """(size, modification time, change time, inode).

    The change time is the kernel's own: it moves with every write, also where a tool puts the modification time back.
    Raises LogsError for a file that is not there.
    """
    with _reading(path):
        status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LogsError(
            f"{path} can't be read ({error.strerror}); see that it is there and this user may read it, then run again"
        ) from error


def _remembered(cache: Path) -> dict[str, Any]:
    """What can't be read is forgotten: the files are digested again."""
    try:
        known = read_json(cache) if cache.is_file() else {}
    except StorageError:
        return {}
    return (
        known if isinstance(known, dict) and all(isinstance(entry, dict) for entry in known.values()) else {}
    )
