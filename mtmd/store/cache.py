"""Objects of buckets as local files: each version of an object is fetched once, and verified whenever it is used.

<cache>/<group>/lock                              its time is when the group was used last
<cache>/<group>/<version>/<way of the object>     the version is a digest of the object's URL, e-tag and size
<cache>/<group>/<version>.sha256                  of the content that was fetched

A group, which has two names, is what is used together, such as a table's day. Users of its files hold the lock
together; where the cache is full, the groups that were used longest ago go, but for those whose lock is held. Nobody
waits for anybody: two processes that lack the same object may both fetch it, and the second file replaces the first.
"""

import fcntl
import logging
import os
import shutil
import stat
import uuid
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from mtmd.errors import ConfigError, StorageError
from mtmd.store.files import TEMPORARY, atomic_file, matching, settle, sweep, touch, write_text
from mtmd.store.objects import ObjectPath, is_below
from mtmd.store.sha256 import sha256_file

FOLDER, BOUND = "MTMD_CACHE", "MTMD_CACHE_GIB"
_LOCK = "lock"
_GIB = 1 << 30
_AT_ONCE = 8  # requests for content
_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """An object as it was listed, and its way below the group's folder, which readers see."""

    place: ObjectPath
    way: str


class HeldFiles(list[Path]):
    """Files of the cache, which stay there as long as this list does."""

    def __init__(self, paths: Sequence[Path], digests: Sequence[str], lock: int) -> None:
        super().__init__(paths)
        self.digests = tuple(digests)  # hex sha256 of each
        weakref.finalize(self, os.close, lock)


@dataclass(frozen=True)
class ObjectCache:
    """A folder of fetched objects that all lines of models and all processes share; `bound` is in bytes."""

    folder: Path
    bound: int

    @classmethod
    def of_environment(cls) -> Self:
        """MTMD_CACHE is the folder (~/.cache/mtmd), MTMD_CACHE_GIB its bound (50); raises ConfigError for no number."""
        usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mtmd"
        text = os.environ.get(BOUND) or "50"
        with suppress(ValueError, OverflowError):  # the latter for infinity
            if (gib := float(text)) > 0:
                return cls(Path(os.environ.get(FOLDER) or usual).expanduser().absolute(), int(gib * _GIB))
        raise ConfigError(f"{BOUND} ({text!r}) must be a number of GiB above 0, such as 50")

    def hold(self, group: str, wanted: Sequence[Wanted]) -> HeldFiles | None:
        """The objects as files with their digests; None where one is no longer in its bucket as it was listed.

        Raises UnreachableError where a bucket gives no answer.
        """
        lock = self._shared(self.folder / group / _LOCK)
        try:
            digests = [self._kept(group, one) for one in wanted]
            lacking = [one for one, found in zip(wanted, digests, strict=True) if found is None]
            if lacking and not self._fetch(group, lacking):
                os.close(lock)
                return None
            touch(self.folder / group / _LOCK)
            paths = [self._path(group, one) for one in wanted]
            noted = [found or self._noted(group, one) for one, found in zip(wanted, digests, strict=True)]
        except BaseException:
            os.close(lock)
            raise
        return HeldFiles(paths, noted, lock)

    def make_room(self, needed: int) -> None:
        """Remove what was used longest ago, until `needed` bytes more are within the bound."""
        sweep(self.folder)
        groups = sorted(_groups(self.folder), key=lambda group: group.used)
        total = needed + sum(group.bytes for group in groups)
        for group in groups:
            if total <= self.bound:
                return
            if _remove_unless_held(group.folder):
                total -= group.bytes
        if total > self.bound:
            _log.warning(
                "the cache %s holds %.1f GiB, more than %s allows (%.1f GiB), because all of it is in use",
                self.folder,
                total / _GIB,
                BOUND,
                self.bound / _GIB,
            )

    def _kept(self, group: str, wanted: Wanted) -> str | None:
        """The digest of a file that is there as it was fetched; None where it must be fetched."""
        path = self._path(group, wanted)
        if not path.is_file() or not (noted := self._noted(group, wanted)):
            return None
        if sha256_file(path) == noted:
            return noted
        _log.warning("%s is fetched again, because it was damaged", path)
        return None

    def _fetch(self, group: str, wanted: Sequence[Wanted]) -> bool:
        size = sum(one.place.size for one in wanted)
        self.make_room(size)
        try:
            with ThreadPoolExecutor(_AT_ONCE) as parts, ThreadPoolExecutor(_AT_ONCE) as pool:
                fetched = all(pool.map(lambda one: self._fetch_one(group, one, parts), wanted))
        except OSError as error:
            raise StorageError(
                f"{self.folder} can't take {size / (1 << 20):.1f} MiB more ({error.strerror}); give it room, or name "
                f"another folder in {FOLDER}"
            ) from error
        if fetched:
            of = wanted[0].place
            _log.info("fetched %d objects, %.1f MiB, of %s", len(wanted), size / (1 << 20), of.bucket.url)
        return fetched

    def _fetch_one(self, group: str, wanted: Wanted, parts: Executor) -> bool:
        path = self._path(group, wanted)
        with suppress(_GoneError), atomic_file(path) as temporary:
            if not wanted.place.fetch(temporary, parts):
                raise _GoneError
            # A file without its digest is fetched again, and one whose digest is another's is damaged.
            write_text(self._note(group, wanted), settle(temporary))
            return True
        return False

    def _noted(self, group: str, wanted: Wanted) -> str:
        note = self._note(group, wanted)
        return note.read_text() if note.is_file() else ""

    def _path(self, group: str, wanted: Wanted) -> Path:
        if not is_below(wanted.way):
            raise StorageError(
                f"the object {wanted.place} must stay below its folder, and its key leads elsewhere; remove it, then "
                "run again"
            )
        return self.folder / group / wanted.place.version / wanted.way

    def _note(self, group: str, wanted: Wanted) -> Path:
        return self.folder / group / f"{wanted.place.version}.sha256"

    def _shared(self, path: Path) -> int:
        """Hold a group's lock beside others, as a descriptor; again where the group was removed meanwhile."""
        while True:
            with suppress(FileNotFoundError):
                _make_folder(path.parent)
                held = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
                fcntl.flock(held, fcntl.LOCK_SH)
                if _is(path, held):
                    return held
                os.close(held)


class _GoneError(Exception):
    """Leaves the writing of a file whose object is no longer what was listed."""


class _Group(NamedTuple):
    folder: Path
    used: int
    bytes: int


def _groups(folder: Path) -> Iterator[_Group]:
    for lock in matching(folder, f"*/*/{_LOCK}"):
        with suppress(FileNotFoundError):  # another process removes it
            files = [path.stat() for path in lock.parent.rglob("*") if path.is_file()]
            yield _Group(lock.parent, lock.stat().st_mtime_ns, sum(status.st_size for status in files))


def _remove_unless_held(group: Path) -> bool:
    """Remove a group that nobody uses; locked meanwhile, so that who comes just now sees that it is gone."""
    try:
        held = os.open(group / _LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(group / _LOCK, held):
            # Renamed first: who comes now begins another group, and sees none of this one's files.
            going = group.parent.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
            group.rename(going)
            shutil.rmtree(going, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _make_folder(path: Path) -> None:
    """Raises FileNotFoundError where it, or a folder above it, is removed meanwhile."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise StorageError(f"{path} must be a folder of the cache; remove it, then run again") from error
        raise FileNotFoundError(path) from error  # it was there, was removed, and is there again


def _is(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
