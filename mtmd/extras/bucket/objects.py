"""Objects of buckets.

An object is written whole or not at all. `replace` is conditional: of several writers one wins, and the others are told
so.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar, final

from mtmd.errors import ConfigError
from mtmd.extras.bucket.access import Bucket, Listed, bare, errors, obstore, opened
from mtmd.store.stores import BUCKET

PART = 8 << 20  # bytes that are fetched by one request
_Answer = TypeVar("_Answer")


def is_below(way: str) -> bool:
    """Whether a way, of names with slashes between them, leads below the folder that it begins in."""
    return not {"", ".", ".."} & set(way.split("/"))


class Content(NamedTuple):
    """A small object, and by what `replace` knows whether it is still the same, as the store writes it.

    `version` is None where the store gives none; Google Cloud Storage replaces an object by it, and not by its e-tag.
    """

    bytes: bytes
    e_tag: str
    version: str | None = None


@final
@dataclass(frozen=True, order=True)
class ObjectPath:
    """A place in a bucket, with those methods of a Path that finding the files of a day needs."""

    bucket: Bucket = field(compare=False)
    key: str = ""
    listed: Listed | None = field(default=None, compare=False)

    @classmethod
    def of(cls, url: str) -> "ObjectPath":
        """The place of a URL.

        Raises ConfigError where obstore is not installed, or for a URL that it can't take, or would take in part: it
        leaves out what follows a bare ? or #, so that two such prefixes would be one place.
        """
        parts = BUCKET.fullmatch(url)
        assert parts is not None, f"{url} was asked for without in_bucket"
        if {"?", "#"} & set(url):
            raise ConfigError(
                f"{url} has a bare ? or #, and a bucket's URL ends there; in the name of a prefix write %3F or %23, "
                "and set the region and the endpoint in the environment (AWS_REGION, AWS_ENDPOINT_URL)"
            )
        scheme, bucket, prefix = parts.groups()
        return cls(opened(f"{scheme}://{bucket}/{prefix}".rstrip("/")))

    def __truediv__(self, behind: str | PurePath) -> "ObjectPath":
        return ObjectPath(self.bucket, "/".join(filter(None, (self.key, *PurePath(behind).parts))))

    def __str__(self) -> str:
        return self.bucket.place(self.key)

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    def is_dir(self) -> bool:
        return bool(self._children())

    def exists(self) -> bool:
        return bool(self.key and self.found()) or self.is_dir()

    def iterdir(self) -> Iterator["ObjectPath"]:
        return (ObjectPath(self.bucket, key) for key in self._children())

    def _children(self) -> list[str]:
        """Keys of the folders and objects that are directly in this one."""
        found = self._ask(lambda: obstore().list_with_delimiter(self.bucket.store, _prefix(self.key)))
        return sorted({*found["common_prefixes"], *(one["path"] for one in found["objects"])})

    def matching(self, *ways: tuple[re.Pattern[str], ...]) -> list["ObjectPath"]:
        """The objects below this place whose way there has the names of one of these, in the order of their keys."""
        found = []
        for listed in self.below():
            way = PurePath(listed.key).relative_to(self.key).parts
            if any(
                len(way) == len(names)
                and all(name.fullmatch(part) for name, part in zip(names, way, strict=True))
                for names in ways
            ):
                found.append(ObjectPath(self.bucket, listed.key, listed))
        return found

    def found(self) -> "ObjectPath | None":
        """The object of this very name."""
        try:
            one = self._ask(lambda: obstore().head(self.bucket.store, self.key))
        except FileNotFoundError:
            if not self.bucket.answered:
                # An answer without a body does not say that the bucket is missing; a listing's does.
                self._children()
            return None
        return ObjectPath(self.bucket, self.key, self.bucket.listed(one))

    def read_bytes(self) -> bytes:
        """The content of a small object; raises FileNotFoundError."""
        return self._ask(lambda: bytes(obstore().get(self.bucket.store, self.key).bytes()))

    def content(self) -> Content | None:
        """A small object with its e-tag; None where it is not there."""

        def get() -> Content:
            found = obstore().get(self.bucket.store, self.key)
            meta = found.meta
            return Content(bytes(found.bytes()), self.bucket.tagged(self.key, meta["e_tag"]), meta["version"])

        with suppress(FileNotFoundError):
            return self._ask(get)
        return None

    def put(self, content: bytes | Path) -> None:
        """Write an object, whatever is there; a large file goes up in parts."""
        self._ask(lambda: obstore().put(self.bucket.store, self.key, content, chunk_size=PART), "written")

    def replace(self, content: bytes, seen: Content | None) -> bool:
        """Write a small object in the place of what was seen there, None for nothing.

        Whether it has this content now: a lost answer is no failure.
        """
        mode: Any = "create"
        if seen is not None:
            mode = {"e_tag": seen.e_tag} | ({} if seen.version is None else {"version": seen.version})
        known = errors()
        with suppress(FileNotFoundError, known.AlreadyExistsError, known.PreconditionError):
            self._ask(lambda: obstore().put(self.bucket.store, self.key, content, mode=mode), "written")
            return True
        return (found := self.content()) is not None and found.bytes == content

    def below(self) -> list[Listed]:
        """Every object below this place, at any depth, in the order of names."""
        listing = self._ask(lambda: list(obstore().list(self.bucket.store, _prefix(self.key))))
        objects = (self.bucket.listed(one) for part in listing for one in part)
        return sorted(objects, key=lambda one: PurePath(one.key).parts)  # as paths of files are

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects of this bucket, in no order; one that is not there is no error."""
        if not keys:
            return
        try:
            self._ask(lambda: obstore().delete(self.bucket.store, list(keys)), "removed")
        except FileNotFoundError:  # S3 gives no such error; elsewhere the first one ends the request
            for key in keys:
                with suppress(FileNotFoundError):
                    self.bucket.again(partial(obstore().delete, self.bucket.store, key), key, "removed")

    def fetch(self, path: Path, pool: Executor) -> bool:
        """Write a found object to a file, parts of it at the same time; whether it still is as it was listed."""
        listed = self.as_listed
        with path.open("wb") as file:
            file.truncate(listed.size)
        parts = [(start, min(start + PART, listed.size)) for start in range(0, listed.size, PART)]
        return all(pool.map(lambda part: self._fetch_part(path, *part), parts))

    def _fetch_part(self, path: Path, start: int, stop: int) -> bool:
        listed = self.as_listed

        def get() -> tuple[str | None, int, bytes]:
            found = obstore().get(self.bucket.store, self.key, options={"range": (start, stop)})
            return found.meta["e_tag"], found.meta["size"], bytes(found.bytes())

        try:
            e_tag, size, content = self._ask(get)
        except FileNotFoundError:
            return False
        if bare(e_tag) != listed.e_tag or size != listed.size or len(content) != stop - start:
            return False
        with path.open("r+b") as file:
            file.seek(start)
            file.write(content)
        return True

    def _ask(self, ask: Callable[[], _Answer], done: str = "read") -> _Answer:
        return self.bucket.again(ask, self.key, done)

    @property
    def as_listed(self) -> Listed:
        assert self.listed is not None, f"{self} was not found by a listing"
        return self.listed

    @property
    def size(self) -> int:
        return self.as_listed.size

    @property
    def version(self) -> str:
        """What this content of this object is known by."""
        content = f"{self} {self.as_listed.e_tag} {self.size}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _prefix(folder: str) -> str | None:
    return f"{folder}/" if folder else None
