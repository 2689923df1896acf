"""Content digests of the user's files; they are remembered, so that an unchanged window is not read again."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtmd.errors import LogsError, StorageError
from mtmd.store.files import read_json, sha256_file, write_json

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
