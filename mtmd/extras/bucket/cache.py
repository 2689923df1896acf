"""Objects of logs as local files: each version of an object is fetched once, and verified whenever it is used.

<cache>/<group>/<version>/<way of the object>     the version is a digest of the object's URL, e-tag and size
<cache>/<group>/<version>.sha256                  of the content that was fetched

A group, which has two names, is what is used together, such as a table's day. Where the cache is fuller than its bound,
the groups that were used longest ago go, but for those that were used within a day. Nobody waits for anybody: two
processes that lack the same object may both fetch it, and the second file replaces the first.
"""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from mtmd.errors import ConfigError, StorageError
from mtmd.extras.bucket.objects import ObjectPath, is_below
from mtmd.store.files import atomic_file, discard, matching, sha256_file, sweep, write_text

FOLDER, BOUND = "MTMD_CACHE", "MTMD_CACHE_GIB"
_GIB, _GRACE_S = 1 << 30, 24 * 3600
_AT_ONCE = 8  # requests for content
_log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """An object as it was listed, and its way below the group's folder, which readers see."""

    place: ObjectPath
    way: str


class Fetched(NamedTuple):
    """An object's file, and the sha256 of its content."""

    path: Path
    sha256: str


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

    def fetched(self, group: str, wanted: Sequence[Wanted]) -> list[Fetched] | None:
        """The objects as files; None where one is no longer in its bucket as it was listed.

        Raises UnreachableError where a bucket gives no answer.
        """
        found = [self._kept(group, one) for one in wanted]
        lacking = [one for one, there in zip(wanted, found, strict=True) if there is None]
        if lacking and not self._fetch(group, lacking):
            return None
        with suppress(FileNotFoundError):
            os.utime(self.folder / group)
        return [
            there or Fetched(self._path(group, one), self._note(group, one).read_text())
            for one, there in zip(wanted, found, strict=True)
        ]

    def make_room(self, needed: int) -> None:
        """Remove what was used longest ago, until `needed` bytes more are within the bound."""
        sweep(self.folder)
        groups = sorted(_groups(self.folder))
        total = needed + sum(group.bytes for group in groups)
        for group in groups:
            if total <= self.bound or group.used_s > time.time() - _GRACE_S:
                break
            discard(group.folder)
            total -= group.bytes
        if total > self.bound:
            _log.warning(
                "the cache %s holds %.1f GiB, more than %s allows (%.1f GiB): all of it was used within a day",
                self.folder,
                total / _GIB,
                BOUND,
                self.bound / _GIB,
            )

    def _kept(self, group: str, wanted: Wanted) -> Fetched | None:
        """A file that is there as it was fetched; None where it must be fetched."""
        path, note = self._path(group, wanted), self._note(group, wanted)
        if not path.is_file() or not note.is_file():
            return None
        if (sha256 := sha256_file(path)) == note.read_text():
            return Fetched(path, sha256)
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
        with suppress(_GoneError), atomic_file(self._path(group, wanted)) as temporary:
            if not wanted.place.fetch(temporary, parts):
                raise _GoneError
            # A file without its digest is fetched again, and one whose digest is another's is damaged.
            write_text(self._note(group, wanted), sha256_file(temporary))
            return True
        return False

    def _path(self, group: str, wanted: Wanted) -> Path:
        if not is_below(wanted.way):
            raise StorageError(
                f"the object {wanted.place} must stay below its folder, and its key leads elsewhere; remove it, then "
                "run again"
            )
        return self.folder / group / wanted.place.version / wanted.way

    def _note(self, group: str, wanted: Wanted) -> Path:
        return self.folder / group / f"{wanted.place.version}.sha256"


class _GoneError(Exception):
    """Leaves the writing of a file whose object is no longer what was listed."""


class _Group(NamedTuple):
    used_s: float
    bytes: int
    folder: Path


def _groups(folder: Path) -> Iterator[_Group]:
    for group in matching(folder, "*/*"):
        with suppress(FileNotFoundError):  # another process removes it
            files = [path.stat().st_size for path in group.rglob("*") if path.is_file()]
            yield _Group(group.stat().st_mtime, sum(files), group)
