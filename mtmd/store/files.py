"""The one module that writes files.

Everything durable is written beside its final name, fsynced and renamed, so a reader sees all of it or none. What is
below the working folder of a bucket (`mtmd/store/durable.py`) goes to the bucket first, then to its final name: what
is whole on the disk is whole in the bucket.
A directory under construction holds a kernel lock; a lock that can be taken belongs to a dead writer, and
`sweep` removes what that writer left.
"""

import fcntl
import glob
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path, PurePath
from tempfile import gettempdir
from typing import Any
from urllib.parse import unquote, urlparse

from filelock import FileLock, Timeout

from mtmd.errors import StorageError
from mtmd.store import pushed
from mtmd.store.durable import shared, working_folder
from mtmd.store.objects import ObjectPath, in_bucket
from mtmd.store.refusals import writing
from mtmd.store.sealed import parsed, sealed
from mtmd.store.sha256 import sha256_file

ARTIFACTS = "MTMD_ARTIFACTS"
TEMPORARY = ".tmp-"  # how the names begin of what is not whole yet, or no longer
_SCRATCH = "mtmd-scratch-"  # how the names begin of folders below TMPDIR
_SHOWN = 100  # characters of a name that its temporary has
_log = logging.getLogger(__name__)


def resolve(location: str | Path) -> Path:
    """Turn a location (a path or a file:// URI) into an absolute path.

    Raises StorageError for other schemes, such as a bucket's (`artifacts_folder` takes one), and for a file:// URI that
    names a host or has an unquoted `?` or `#`.
    """
    if in_bucket(location):
        raise StorageError(
            f"{location} is in a bucket, where only logs that are read and artifacts may be; use a local folder, and "
            "copy what is written there"
        )
    if isinstance(location, Path):
        return location.absolute()
    parts = urlparse(location)
    if parts.scheme == "":
        return Path(location).expanduser().absolute()
    if parts.scheme != "file":
        raise StorageError(
            f"location {location!r} has scheme {parts.scheme!r}; use a local path or a file:// URI"
            + ("" if "://" in location else f"; a path with a colon is written ./{location}")
        )
    if parts.netloc not in {"", "localhost"}:
        raise StorageError(
            f"location {location!r} names the host {parts.netloc!r}; write three slashes: file:///absolute/path"
        )
    if parts.query or parts.fragment:
        raise StorageError(f"location {location!r} has a bare ? or #; write %3F or %23, or a plain path")
    return Path(unquote(parts.path)).absolute()


def place(location: str | Path) -> Path | ObjectPath:
    """What is at a location that is only read: as `resolve` has it, or in a bucket."""
    return ObjectPath.of(str(location)) if in_bucket(location) else resolve(location)


def artifacts_folder(location: str | Path) -> Path:
    """The folder of artifacts: a local one, or the working folder of a bucket's URL. Raises as `resolve` does.

    The usual location, `artifacts`, is the one that MTMD_ARTIFACTS names, where it is set.
    """
    named = os.environ.get(ARTIFACTS) if str(location) == "artifacts" else None
    location = named or location
    if in_bucket(location):
        return working_folder(ObjectPath.of(str(location)).bucket.url)
    return resolve(location)


def settle(path: Path) -> str:
    """Bring a file that was written to disk; its hex sha256."""
    _fsync(path)
    return sha256_file(path)


def digest(value: Any) -> str:
    """Hex sha256 of a JSON-like value in canonical form (sorted keys, no spaces); dates and paths are text.

    Raises TypeError for values whose text may differ between processes, ValueError for NaN and infinity.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: Path | ObjectPath) -> Any:
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


def parsed_json(content: bytes, path: Path | ObjectPath) -> Any:
    """What `read_json` makes of the content of a path."""
    try:
        return parsed(content)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StorageError(f"{path} is not valid JSON ({error}); remove it and run again") from error
    except ValueError as error:
        raise StorageError(f"{path} was altered: {error}; remove it and run again") from error


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically and durably."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for content that is no text, or may be none any more."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any, *, seal: bool = False) -> None:
    """Replace a JSON file atomically and durably; with `seal`, an object that `read_json` compares with its digest."""
    write_text(path, sealed_text(value) if seal else _text(value))


def sealed_text(value: Any) -> str:
    """What `write_json` writes with a seal."""
    # Sealed as it is after writing and reading: keys are texts then.
    return _text(sealed(json.loads(json.dumps(value, default=_plain))))


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Yield a path to write; on success it is fsynced and replaces `final`, on error it is removed."""
    with fetched_file(final) as temporary:
        yield temporary
        if (there := shared(final)) is not None:
            pushed.keep(temporary, there)


@contextmanager
def fetched_file(final: Path) -> Iterator[Path]:
    """The same for what the bucket has already."""
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
        if (there := shared(final)) is not None:
            pushed.push(temporary, there)
        _fsync_all(temporary)
        _rename_over_part(temporary, final)


@contextmanager
def fetched_directory(final: Path, *, whole: bool = True) -> Iterator[Path]:
    """Yield a directory to fill with what the bucket has; on success it takes the place of `final`.

    One that is not `whole` takes the place of nothing: who made the output may have finished it meanwhile.
    """
    with _claimed(final) as temporary:
        yield temporary
        _fsync_all(temporary)
        if whole:
            remove(final)
        _rename_unless_there(temporary, final)


def append_line(path: Path, line: str) -> None:
    """Append one line durably; callers hold the lock of what the line belongs to.

    A line that a dead writer left without its end is ended first, so that it cannot swallow this one.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        empty = not path.is_file() or not path.stat().st_size
        torn = ends_in_half_a_line(path)
        with path.open("ab") as file:
            file.write(torn * b"\n" + line.rstrip("\n").encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    if empty:
        _fsync(path.parent)


def ends_in_half_a_line(path: Path) -> bool:
    """Whether the last line has no end, as a writer that was killed, or a disk that was full, may have left it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def touch(path: Path) -> None:
    """Let a file or directory be of this moment; nothing happens when it is not there."""
    with suppress(FileNotFoundError):
        os.utime(path)
        if (there := shared(path)) is not None:
            pushed.renew(there)


def remove(path: Path) -> None:
    """Remove a file or a directory tree of the disk; nothing happens when it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Remove a file or a directory tree, in its bucket too, if it has one.

    A tree is gone from its name at once: whoever looks meanwhile, or after a kill, finds all of it or none.
    """
    if (there := shared(path)) is not None:
        pushed.erase(there)
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
def scratch() -> Iterator[Path]:
    """Yield a locked folder below TMPDIR, for what no output is made of; it is removed afterwards.

    What killed processes left of such folders goes first.
    """
    place = Path(gettempdir())
    for left in matching(place, f"{_SCRATCH}*"):
        with suppress(OSError):  # another user's
            _remove_unless_claimed(left)
    folder = place / f"{_SCRATCH}{uuid.uuid4().hex}"
    with writing(folder):
        held = _claim(folder, lambda path: path.mkdir(mode=0o700))
    try:
        yield folder
    finally:
        os.close(held)
        shutil.rmtree(folder, ignore_errors=True)


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, default=_plain) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, date | PurePath):
        return str(value)
    raise TypeError(
        f"{value!r} is a {type(value).__name__}, which has no fixed text in JSON; convert it first"
    )


def _rename_over_part(temporary: Path, final: Path) -> None:
    """Rename a directory that its bucket has, if it has one.

    As soon as it is there, another process may have brought its JSON files down, which are less than the whole of it.
    """
    files = (path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file())
    if shared(final) is not None and final.exists() and not all((final / file).is_file() for file in files):
        remove(final)
    _rename_unless_there(temporary, final)


def _rename_unless_there(temporary: Path, final: Path) -> None:
    if final.exists():
        return
    try:
        temporary.rename(final)
    except OSError:
        if not final.exists():  # otherwise another writer was first, a moment ago
            raise
    _fsync(final.parent)


@contextmanager
def _claimed(final: Path) -> Iterator[Path]:
    """Yield a locked temporary directory beside `final`, which is removed afterwards.

    A file has one too: a lock on the file itself is lost where a writer replaces the file, as safetensors does.
    """
    with writing(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(final)
        held = _claim(temporary, Path.mkdir)
        try:
            yield temporary
        finally:
            os.close(held)
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary(final: Path) -> Path:
    """A new name beside another one."""
    return final.parent / f"{TEMPORARY}{final.name[:_SHOWN]}-{uuid.uuid4().hex[:8]}"


def _claim(temporary: Path, make: Callable[[Path], None]) -> int:
    """Make a temporary and lock it, as a descriptor; again if a sweeper took it in between for a dead writer's."""
    while True:
        make(temporary)
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


def _fsync_all(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        _fsync(path)
    _fsync(directory)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
