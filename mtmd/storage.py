"""The one module that writes files (design: seams for more than one machine).

Everything durable is written beside its final name, fsynced and renamed, so a reader sees all of it or none.
A directory under construction holds a kernel lock; a lock that can be taken belongs to a dead writer, and
`sweep` removes what that writer left.
"""

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from filelock import FileLock

from mtmd.errors import StorageError

_TEMPORARY = ".tmp-"


def resolve(location: str | Path) -> Path:
    """Turn a location (a path or a file:// URI) into an absolute path.

    Raises StorageError for other schemes: object storage is not supported yet.
    """
    if isinstance(location, Path):
        return location.absolute()
    parts = urlparse(location)
    if parts.scheme == "":
        return Path(location).expanduser().absolute()
    if parts.scheme != "file":
        raise StorageError(
            f"location {location!r} has scheme {parts.scheme!r}; use a local path or a file:// URI"
        )
    return Path(unquote(parts.path)).absolute()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hex sha256 of a JSON-like value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: Path) -> Any:
    """Parse a JSON file; raises StorageError that names the file when it is missing or not JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist") from error
    except json.JSONDecodeError as error:
        raise StorageError(f"{path} is not valid JSON ({error}); remove it and run again") from error


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically and durably."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically and durably."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically and durably."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Yield a path to write; on success it is fsynced and replaces `final`, on error it is removed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f"{_TEMPORARY}{final.name}-{uuid.uuid4().hex[:8]}"
    with temporary.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield temporary
            _fsync(temporary)
            temporary.replace(final)
            _fsync(final.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """Yield a directory to fill; on success it is fsynced and renamed to `final`, on error it is removed.

    Outputs are named by their content, so when `final` appeared meanwhile the one that was first stays.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.parent / f"{_TEMPORARY}{final.name}-{uuid.uuid4().hex[:8]}"
    temporary.mkdir()
    held = os.open(temporary, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield temporary
        for path in sorted(temporary.rglob("*"), reverse=True):
            _fsync(path)
        _fsync(temporary)
        if not final.exists():
            temporary.rename(final)
            _fsync(final.parent)
    finally:
        os.close(held)
        shutil.rmtree(temporary, ignore_errors=True)


def append_line(path: Path, line: str) -> None:
    """Append one line durably; callers hold the lock of what the line belongs to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(line.rstrip("\n") + "\n")
        file.flush()
        os.fsync(file.fileno())


def remove(path: Path) -> None:
    """Remove a file or a directory tree; nothing happens when it is not there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold an OS lock on `path` (made if needed); the kernel frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(str(path), timeout=timeout_s):
        yield


def sweep(root: Path) -> list[Path]:
    """Remove the half-written outputs of dead writers below `root`; returns what was removed."""
    removed = []
    for path in sorted(root.rglob(f"{_TEMPORARY}*")) if root.exists() else []:
        if path.exists() and _owner_is_dead(path):
            remove(path)
            removed.append(path)
    return removed


def _owner_is_dead(path: Path) -> bool:
    held = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
