"""Where a line of models keeps its outputs and records: a store, which a folder is by itself.

An output is a directory that is written once, a record a file that may be replaced. Both have their path below the
line's directory, whatever the store; `mtmd/store/files.py` writes what stays on this machine. Other stores come from
extras: a module `stores.py` there has `store_of` and `working_folder`.
"""

import os
import re
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from mtmd import extension
from mtmd.errors import StorageError
from mtmd.store import files

ARTIFACTS = "MTMD_ARTIFACTS"
BUCKET = re.compile(r"(s3|gs|az):/+([^/]+)/*(.*)")


class Store:
    """What stages ask of a line's store; here the disk is the store. Another one replaces every method.

    All of it raises StorageError where the store can't do it.
    """

    elsewhere = False  # whether it has more than this machine's disk

    def place(self, path: Path) -> str:
        """Where a path is, for people."""
        return str(path)

    def write_text(self, path: Path, text: str) -> None:
        """Write a record, in place of one that is there."""
        files.write_text(path, text)

    def read(self, path: Path) -> bytes | None:
        """A record as the store has it now; None where it is not there."""
        return path.read_bytes() if path.is_file() else None

    def replace(self, path: Path, content: bytes, seen: bytes | None) -> bool:
        """Write a record if it still is what was `seen` there, None for nothing; whether it has this content now.

        Of several machines one wins. On a disk callers hold the lock of what the record belongs to.
        """
        if self.read(path) != seen:
            return False
        files.write_text(path, content)
        return True

    def names(self, folder: Path) -> list[str]:
        """Names of the records and folders in a folder."""
        return [path.name for path in files.matching(folder, "*")]

    def atomic_directory(self, final: Path) -> AbstractContextManager[Path]:
        """Yield a directory to fill; on success it is the output `final`, unless another one was first."""
        return files.atomic_directory(final)

    def commit(self, directory: Path) -> None:
        """Have an output that is whole on the disk in the store, before something there points to it."""

    def fetch(self, path: Path) -> bool:
        """Bring an output or a record to the disk; whether a store elsewhere has it, so False for a folder."""
        return False

    def touch(self, path: Path) -> None:
        """Let an output be of this moment."""
        files.touch(path)

    def discard(self, path: Path) -> None:
        """Remove an output, a record, or a folder of them."""
        files.discard(path)

    def size(self, path: Path) -> int:
        """Bytes of an output or a record; what another process removes meanwhile is left out."""
        found = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
        total = 0
        for file in found or (path,):
            with suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def refresh(self, line: Path) -> None:
        """Bring the records of a line to the disk, before many are read."""


FOLDER = Store()


def in_bucket(location: str | Path) -> bool:
    """Whether a location is a bucket's URL, such as s3://bucket/prefix; also one that was made a Path by mistake."""
    return BUCKET.fullmatch(str(location)) is not None


def resolve(location: str | Path) -> Path:
    """Turn a local path into an absolute one; raises StorageError for a URL, such as a bucket's."""
    if in_bucket(location):
        raise StorageError(
            f"{location} is in a bucket, where only logs that are read and artifacts may be; use a local folder, and "
            "copy what is written there"
        )
    if "://" in str(location):
        raise StorageError(f"location {location!r} must be a local path; write it without a scheme")
    return Path(location).expanduser().absolute()


def store_of(path: Path) -> Store:
    """The store of a path below a line's directory."""
    found = (seam.store_of(path) for seam in _seams())
    return next((store for store in found if store is not None), FOLDER)


def artifacts_folder(location: str | Path) -> Path:
    """The folder of artifacts: a local one, or that in which this machine works on a bucket's.

    The usual location, `artifacts`, is the one that MTMD_ARTIFACTS names, where it is set. Raises StorageError as
    `resolve` does, and for a bucket's URL where no extra has stores in buckets.
    """
    named = os.environ.get(ARTIFACTS) if str(location) == "artifacts" else None
    location = named or location
    if not in_bucket(location):
        return resolve(location)
    for seam in _seams():
        folder: Path = seam.working_folder(str(location))
        return folder
    raise StorageError(
        f"{location} is in a bucket, which the extra `bucket` reads and writes; it is not here"
    )


@cache
def _seams() -> tuple[ModuleType, ...]:
    return tuple(extension.modules("stores").values())
