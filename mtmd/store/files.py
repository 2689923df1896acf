"""The one module that writes files of this machine's disk; a line's own are written by its store (`stores.py`).

Everything durable is written beside its final name, fsynced and renamed, so a reader sees all of it or none. What is
under construction holds a kernel lock; a lock that can be taken belongs to a dead writer, whose work `sweep` removes.
"""

import errno
import fcntl
import glob
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mtmd.errors import MtmdError, StorageError
from mtmd.store.sealed import json_text, parsed_json, plain, sealed_text

TEMPORARY = ".tmp-"  # how the names begin of what is not whole yet, or no longer
_SHOWN = 100  # characters of a name that its temporary has
_OF_THE_PLACE = {  # errors that a person mends where the path is
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
}
# Libraries in other languages have errors of their own classes, with the system's number in their words: the first is
# what safetensors and obstore say, the second Arrow, the third DuckDB.
_NUMBER = re.compile(r'\(os error (\d+)\)|\[errno (\d+)\]|"errno":"(\d+)"', re.IGNORECASE)
_log = logging.getLogger(__name__)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what could not be written, and why, where the system refuses; raises StorageError."""
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number not in _OF_THE_PLACE:
            raise
        raise StorageError(
            f"{path} can't be written ({os.strerror(number)}); let this user write there, with room and nothing else "
            "in the way, then run again"
        ) from error


def _number(error: Exception) -> int | None:
    """The system's number of an error; None where the system has no part in it."""
    if isinstance(error, MtmdError):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    return int(next(filter(None, found.groups()))) if found else None


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hex sha256 of a JSON-like value in canonical form (sorted keys, no spaces); dates and paths are text.

    Raises TypeError for values whose text may differ between processes, ValueError for NaN and infinity.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=plain, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: Path) -> Any:
    """Parse a JSON file, without its seal.

    Raises StorageError that names the file when it is missing, not JSON, or not as it was sealed.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise StorageError(f"{path} is a folder; remove it and run again") from error
    return parsed_json(content, path)


def write_text(path: Path, text: str | bytes) -> None:
    """Replace a file's content atomically and durably; bytes are a text that is encoded already."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode() if isinstance(text, str) else text)


def write_json(path: Path, value: Any, *, seal: bool = False) -> None:
    """Replace a JSON file atomically and durably; with `seal`, an object that `read_json` compares with its digest."""
    write_text(path, sealed_text(value) if seal else json_text(value))


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Yield a path to write; on success it is fsynced and replaces `final`, on error it is removed."""
    with _claimed(final) as directory:
        temporary = directory / "file"
        yield temporary
        _fsync(temporary)
        temporary.replace(final)
        _fsync(final.parent)


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """Yield a directory to fill; on success it is fsynced and renamed to `final`, on error it is removed.

    Outputs are named by their content, so when `final` appeared meanwhile the one that was first stays.
    """
    with _claimed(final) as temporary:
        yield temporary
        for path in sorted(temporary.rglob("*"), reverse=True):
            _fsync(path)
        _fsync(temporary)
        try:
            temporary.rename(final)
        except OSError:
            if not final.exists():  # otherwise another writer was first
                raise
        _fsync(final.parent)


def touch(path: Path) -> None:
    """Let a file or directory be of this moment; nothing happens when it is not there."""
    with suppress(FileNotFoundError):
        os.utime(path)


def remove(path: Path) -> None:
    """Remove a file or a directory tree; nothing happens when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """The same, and a tree is gone from its name at once: whoever looks meanwhile finds all of it or none."""
    with suppress(FileNotFoundError):  # of another process that removes the same, or sweeps
        if path.is_dir() and not path.is_symlink():
            path = path.rename(_temporary(path))
        remove(path)


@contextmanager
def locked(path: Path, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold an OS lock on `path` (made if needed); the kernel frees it when its holder dies.

    Waiting for another holder is logged as a warning. Raises StorageError when another process still holds it
    after `timeout_s` seconds.
    """
    lock = FileLock(str(path))
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(Timeout):
                lock.acquire(timeout=0)
        if not lock.is_locked:
            _log.warning("waiting up to %g s for %s, which another process holds", timeout_s, path)
            lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise StorageError(
            f"{path} is still locked by another process after {timeout_s:g} s; let it finish, or end it"
        ) from error
    try:
        yield
    finally:
        lock.release()


def matching(root: Path, pattern: str) -> Iterator[Path]:
    """What is below `root` by that pattern, but for hidden names, while other processes write and remove there.

    Path.glob would raise FileNotFoundError at a folder that is gone when it looks inside.
    """
    return (root / name for name in glob.iglob(pattern, root_dir=root))  # noqa: PTH207


def sweep(root: Path, *, below: bool = True) -> list[Path]:
    """Remove the half-written outputs of dead writers in `root`, and on request below it; returns what was removed.

    Other processes may write and sweep below `root` meanwhile: what vanishes under way is not an error.
    """
    removed = []
    for directory, names, files in os.walk(root):
        left = [Path(directory) / name for name in [*names, *files] if name.startswith(TEMPORARY)]
        removed += [path for path in left if _remove_unless_claimed(path)]
        names[:] = [name for name in names if below and not name.startswith(TEMPORARY)]
    return sorted(removed)


@contextmanager
def _claimed(final: Path) -> Iterator[Path]:
    """Yield a locked temporary directory beside `final`, which is removed afterwards.

    A file has one too: a lock on the file itself is lost where a writer replaces the file, as safetensors does.
    """
    with writing(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(final)
        held = _claim(temporary)
        try:
            yield temporary
        finally:
            os.close(held)
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary(final: Path) -> Path:
    """A new name beside another one."""
    return final.parent / f"{TEMPORARY}{final.name[:_SHOWN]}-{uuid.uuid4().hex[:8]}"


def _claim(temporary: Path) -> int:
    """Make a temporary folder and lock it, as a descriptor; again if a sweeper took it for a dead writer's."""
    while True:
        temporary.mkdir()
        with suppress(FileNotFoundError):
            held = os.open(temporary, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
            if temporary.exists():
                return held
            os.close(held)


def _remove_unless_claimed(path: Path) -> bool:
    """Remove what no living writer has locked; locked meanwhile, so that who made it just now sees that it is gone."""
    try:
        held = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            remove(path)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
