"""What a system that refuses to write means, and what to do: a full disk, a quota, permissions."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtmd.errors import MtmdError, StorageError

_REFUSALS = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in the quota",
    errno.EROFS: "the file system is read-only: mount it for writing",
    errno.EACCES: "let this user write there",
    errno.EPERM: "let this user write there",
    errno.ENAMETOOLONG: "use a shorter path or name",
    errno.EEXIST: "a file is where a folder must be: move it away",
    errno.ENOTDIR: "a file is where a folder must be: move it away",
    errno.EISDIR: "a folder is where a file must be: move it away",
    errno.EIO: "look after the disk",
}


_FEW = 20  # as many files as an output has
# Libraries in other languages have errors of their own classes, with the system's number in their words: the first is
# what safetensors and obstore say, the second Arrow, the third DuckDB.
_NUMBER = re.compile(r'\(os error (\d+)\)|\[errno (\d+)\]|"errno":"(\d+)"', re.IGNORECASE)


class RefusedError(OSError):
    """The system's refusal of a file whose size is known."""

    needed: int


@contextmanager
def needing(size: int) -> Iterator[None]:
    """A library writes so many bytes: the system's refusal becomes RefusedError, whatever the library raises.

    It is for use below `writing`, which knows the path that a person should read.
    """
    try:
        yield
    except Exception as error:
        if (number := _number(error)) is None:
            raise
        refused = RefusedError(number, os.strerror(number))
        refused.needed = size
        raise refused from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what could not be written, and why, where the system refuses; raises StorageError."""
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number not in _REFUSALS:
            raise
        why = os.strerror(number)
        room = _room(path, getattr(error, "needed", None)) if number == errno.ENOSPC else ""
        raise StorageError(
            f"{path} can't be written ({why}){room}; {_REFUSALS[number]}, then run again"
        ) from error


def _number(error: Exception) -> int | None:
    """The system's number of an error; None where the system has no part in it."""
    if isinstance(error, MtmdError):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    return int(next(filter(None, found.groups()))) if found else None


def _room(path: Path, needed: int | None) -> str:
    """How much is needed, and how much there is."""
    place = next(folder for folder in path.absolute().parents if folder.is_dir())
    disk = os.statvfs(place)
    wants = "" if needed is None else f"{_size(needed)} are needed, and "
    if disk.f_files and disk.f_favail < _FEW:
        return f": {wants}the disk of {place} has room for {disk.f_favail} more files, however small"
    return f": {wants}{_size(disk.f_bavail * disk.f_frsize)} are free on the disk of {place}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.0f} kB"
