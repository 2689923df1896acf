"""What a system that refuses to write means, and what to do: a full disk, a quota, permissions."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtmd.errors import StorageError

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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what could not be written, and why, where the system refuses; raises StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        why = os.strerror(error.errno)
        raise StorageError(
            f"{path} can't be written ({why}); {_REFUSALS[error.errno]}, then run again"
        ) from error
