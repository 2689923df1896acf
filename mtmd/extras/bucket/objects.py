"""Buckets that are opened (S3, Google Cloud Storage or Azure, by obstore), and objects in them.

Credentials, endpoint and region are what obstore reads from the environment (AWS_…, GOOGLE_…, AZURE_…).
obstore itself tries a request again, with growing and random pauses, after a 5xx, a timeout or a refused connection;
what breaks off after an answer has begun is tried again here. An object is written whole or not at all. `replace` is
conditional: of several writers one wins, and the others are told so.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar, final

from mtmd import extension
from mtmd.errors import ConfigError, StorageError, UnreachableError
from mtmd.store.stores import BUCKET

_ATTEMPTS, _PAUSE_S = 3, 0.5
_RETRIES = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5), "base": 2.0},
}
_DENIED = ("status code: 401", "status code: 403")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist")
_FINAL = (*_DENIED, *_NO_BUCKET, "builder error")  # trying again can't help
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket, opened."""

    url: str
    store: Any = field(compare=False)

    def place(self, key: str) -> str:
        """The URL of a key."""
        return f"{self.url}/{key}" if key else self.url

    def again(self, ask: Callable[[], _Answer], key: str, done: str = "read") -> _Answer:
        """What a request gives, tried a few times; raises UnreachableError that names the URL without an answer."""
        known, last = errors(), Exception()
        for attempt in range(_ATTEMPTS):
            try:
                return ask()
            except (known.AlreadyExistsError, known.PreconditionError):
                raise
            except (FileNotFoundError, known.BaseError) as error:
                last = error
            is_final = any(words in str(last) for words in _FINAL)
            if isinstance(last, FileNotFoundError) and not is_final:  # the bucket is there, the object is not
                raise last
            if is_final:
                break
            if attempt + 1 < _ATTEMPTS:
                time.sleep(random.uniform(0.5, 1.0) * _PAUSE_S * 2**attempt)
        raise UnreachableError(f"{self.place(key)} can't be {done}{self._why(last)}") from last

    def _why(self, error: Exception) -> str:
        words = str(error)
        if any(one in words for one in _NO_BUCKET):
            bucket = "/".join(self.url.split("/")[:3])  # s3://name
            return f": the bucket {bucket} does not exist; make it, or correct its name or the endpoint, then run again"
        remedy = "see that the bucket's name, the region and the endpoint are right; then run again"
        if any(one in words for one in _DENIED):
            remedy = "access is denied: give this process credentials that may list, read and, for artifacts, write"
        elif "builder error" in words and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:"):
            remedy = "AWS_ENDPOINT_URL is not encrypted: set AWS_ALLOW_HTTP=true to allow that"
        return f" ({_first_line(error)}); {remedy}"


@lru_cache(maxsize=16)
def opened(url: str) -> Bucket:
    """Kept open: each store has connections and credentials of its own."""
    try:
        store = obstore("obstore.store").from_url(url, retry_config=_RETRIES)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{url} can't be opened ({_first_line(error)}); write s3://bucket/prefix"
        ) from error
    return Bucket(url, store)


def obstore(part: str = "obstore") -> Any:
    return extension.library(part, "s3", "reads buckets")


def errors() -> Any:
    return obstore("obstore.exceptions")


def _first_line(error: BaseException) -> str:
    words = str(error).strip().partition("\n")[0]
    return re.sub(r"\s*<\?xml.*", "", words) or type(error).__name__


PART = 8 << 20  # bytes of a large file that go up in one request


def is_below(way: str) -> bool:
    """Whether a way, of names with slashes between them, leads below the folder that it begins in."""
    return not {"", ".", ".."} & set(way.split("/"))


class Listed(NamedTuple):
    """An object as a listing has it; `key` is below the bucket's prefix, `size` in bytes."""

    key: str
    size: int
    e_tag: str
    written_s: int = 0  # by the store's clock, in whole seconds of the epoch


class Content(NamedTuple):
    """A small object, and by what `replace` knows whether it is still the same, as the store writes it.

    `version` is None where the store gives none; Google Cloud Storage replaces an object by it, and not by its e-tag.
    """

    bytes: bytes
    e_tag: str
    version: str | None = None
    written_s: int = 0


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

    def exists(self) -> bool:
        return bool(self.key and self.found()) or bool(list(self.iterdir()))

    def iterdir(self) -> Iterator["ObjectPath"]:
        """The folders and objects that are directly in this one."""
        found = self._ask(lambda: obstore().list_with_delimiter(self.bucket.store, _prefix(self.key)))
        keys = sorted({*found["common_prefixes"], *(one["path"] for one in found["objects"])})
        return (ObjectPath(self.bucket, key) for key in keys)

    def matching(self, names: tuple[re.Pattern[str], ...]) -> list["ObjectPath"]:
        """The objects below this place whose way there has these names, in the order of their keys."""
        found = []
        for listed in self.below():
            way = PurePath(listed.key).relative_to(self.key).parts
            if len(way) == len(names) and all(map(re.Pattern.fullmatch, names, way)):
                found.append(ObjectPath(self.bucket, listed.key, listed))
        return found

    def below(self) -> list[Listed]:
        """Every object below this place, at any depth, in the order of names."""
        listing = self._ask(lambda: list(obstore().list(self.bucket.store, _prefix(self.key))))
        objects = (self._listed(one) for part in listing for one in part)
        return sorted(objects, key=lambda one: PurePath(one.key).parts)  # as paths of files are

    def found(self) -> "ObjectPath | None":
        """The object of this very name. An answer to this request does not say whether the bucket is there."""
        with suppress(FileNotFoundError):
            one = self._ask(lambda: obstore().head(self.bucket.store, self.key))
            return ObjectPath(self.bucket, self.key, self._listed(one))
        return None

    def content(self) -> Content | None:
        """A small object with its e-tag; None where it is not there."""

        def get() -> Content:
            found = obstore().get(self.bucket.store, self.key)
            listed = self._listed(found.meta)
            # As the store writes it, with quotes or without.
            return Content(bytes(found.bytes()), found.meta["e_tag"], found.meta["version"], listed.written_s)

        with suppress(FileNotFoundError):
            return self._ask(get)
        return None

    def download(self, path: Path, e_tag: str | None = None) -> bool:
        """Write the object to a file; whether it is there, and is still what was listed with an e-tag."""

        def get() -> bool:
            found = obstore().get(self.bucket.store, self.key)
            if e_tag is not None and _bare(found.meta["e_tag"]) != e_tag:
                return False
            with path.open("wb") as file:
                for part in found.stream():
                    file.write(part)
            return True

        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return self._ask(get)
        return False

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

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects of this bucket, in no order; one that is not there is no error."""
        if not keys:
            return
        try:
            self._ask(lambda: obstore().delete(self.bucket.store, list(keys)), "removed")
        except FileNotFoundError:  # S3 gives no such error; elsewhere the first one ends the request
            for key in keys if len(keys) > 1 else ():
                self.delete([key])

    def _listed(self, one: Any) -> Listed:
        """An object of a listing; raises StorageError for one without an e-tag."""
        if not (e_tag := _bare(one["e_tag"])):
            raise StorageError(
                f"{self.bucket.place(one['path'])} has no e-tag, which tells one version of it from another; use a "
                "store that gives e-tags, or a local folder"
            )
        return Listed(one["path"], one["size"], e_tag, int(one["last_modified"].timestamp()))

    def _ask(self, ask: Callable[[], _Answer], done: str = "read") -> _Answer:
        return self.bucket.again(ask, self.key, done)


def _bare(e_tag: str | None) -> str:
    """Stores write the same tag with and without quotes."""
    return (e_tag or "").removeprefix("W/").strip('"')


def _prefix(folder: str) -> str | None:
    return f"{folder}/" if folder else None
