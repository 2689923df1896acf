"""Objects of a bucket: S3, Google Cloud Storage or Azure, by obstore.

An object is written whole or not at all. `create` and `replace` are conditional: of several writers one wins, and the
others are told so.

Credentials, endpoint and region are what obstore reads from the environment (AWS_…, GOOGLE_…, AZURE_…).
obstore itself tries a request again, with growing and random pauses, after a 5xx, a timeout or a refused connection;
what breaks off after an answer has begun is tried again here.
"""

import hashlib
import importlib
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar, final

from mtmd.errors import ConfigError, StorageError, UnreachableError

SCHEMES = ("s3", "gs", "az")
PART = 8 << 20  # bytes that are fetched by one request
_ATTEMPTS, _PAUSE_S = 3, 0.5
_RETRIES = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5), "base": 2.0},
}
_URL = re.compile(rf"({'|'.join(SCHEMES)}):/+([^/]+)/*(.*)")
_DENIED = ("status code: 401", "status code: 403")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist")
_FINAL = (*_NO_BUCKET, "builder error")
_Answer = TypeVar("_Answer")


def is_below(way: str) -> bool:
    """Whether a way, of names with slashes between them, leads below the folder that it begins in."""
    return not {"", ".", ".."} & set(way.split("/"))


def in_bucket(location: str | Path) -> bool:
    """Whether a location is a bucket's URL, such as s3://bucket/prefix; also one that was made a Path by mistake."""
    return _URL.fullmatch(str(location)) is not None


@dataclass(frozen=True)
class Listed:
    """An object as a listing has it; `key` is below the bucket's prefix, `size` in bytes."""

    key: str
    size: int
    e_tag: str
    written_s: int = field(default=0, compare=False)  # by the store's clock, in whole seconds of the epoch


class Content(NamedTuple):
    """A small object, and by what `replace` knows whether it is still the same, as the store writes it.

    `version` is None where the store gives none; Google Cloud Storage replaces an object by it, and not by its e-tag.
    """

    bytes: bytes
    e_tag: str
    version: str | None = None


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket.

    All methods raise UnreachableError that names the URL where the store gives no answer, or has no such bucket.
    `answered` is filled by the first answer that only a bucket can give which is there.
    """

    url: str
    store: Any = field(compare=False)
    answered: set[str] = field(default_factory=set, compare=False, repr=False)

    def below(self, folder: str) -> list[Listed]:
        """Every object below a folder, at any depth, in the order of names."""
        listing = self._again(lambda: list(_obstore().list(self.store, _prefix(folder))), folder)
        objects = (self._listed(one) for part in listing for one in part)
        return sorted(objects, key=lambda one: PurePath(one.key).parts)  # as paths of files are

    def children(self, folder: str) -> list[str]:
        """Keys of the folders and objects that are directly in a folder."""
        found = self._again(lambda: _obstore().list_with_delimiter(self.store, _prefix(folder)), folder)
        return sorted({*found["common_prefixes"], *(one["path"] for one in found["objects"])})

    def find(self, key: str) -> Listed | None:
        """One object, by its key; None where it is not there."""
        try:
            return self._listed(self._again(lambda: _obstore().head(self.store, key), key))
        except FileNotFoundError:
            if not self.answered:
                # An answer without a body does not say that the bucket is missing; a listing's does.
                self.children(key)
            return None

    def read(self, key: str) -> bytes:
        """The content of a small object; raises FileNotFoundError."""
        return self._again(lambda: bytes(_obstore().get(self.store, key).bytes()), key)

    def content(self, key: str) -> Content | None:
        """A small object with its e-tag; None where it is not there."""

        def get() -> Content:
            found = _obstore().get(self.store, key)
            meta = found.meta
            return Content(bytes(found.bytes()), self._tagged(key, meta["e_tag"]), meta["version"])

        with suppress(FileNotFoundError):
            return self._again(get, key)
        return None

    def put(self, key: str, content: bytes | Path) -> str:
        """Write an object, whatever is there; a large file goes up in parts. The e-tag that it has then."""
        done = self._again(lambda: _obstore().put(self.store, key, content, chunk_size=PART), key, "written")
        return _bare(done["e_tag"])

    def create(self, key: str, content: bytes) -> bool:
        """Write a small object where none is; whether it has this content now: a lost answer is no failure."""
        with suppress(_errors().AlreadyExistsError, _errors().PreconditionError):
            self._again(lambda: _obstore().put(self.store, key, content, mode="create"), key, "written")
            return True
        return (found := self.content(key)) is not None and found.bytes == content

    def replace(self, key: str, content: bytes, e_tag: str, version: str | None = None) -> bool:
        """Write a small object in the place of the one with this e-tag and version; whether it has this content now."""
        mode = {"e_tag": e_tag} if version is None else {"e_tag": e_tag, "version": version}
        with suppress(FileNotFoundError, _errors().PreconditionError):
            self._again(lambda: _obstore().put(self.store, key, content, mode=mode), key, "written")
            return True
        return (found := self.content(key)) is not None and found.bytes == content

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, in no order; one that is not there is no error."""
        try:
            if keys:
                self._again(lambda: _obstore().delete(self.store, list(keys)), keys[0], "removed")
        except FileNotFoundError:  # S3 gives no such error; elsewhere the first one ends the request
            for key in keys:
                with suppress(FileNotFoundError):
                    self._again(partial(_obstore().delete, self.store, key), key, "removed")

    def fetch(self, listed: Listed, path: Path, pool: Executor) -> bool:
        """Write an object's content to a file, parts of it at the same time; whether it still is what was listed."""
        with path.open("wb") as file:
            file.truncate(listed.size)
        parts = [(start, min(start + PART, listed.size)) for start in range(0, listed.size, PART)]
        return all(pool.map(lambda part: self._fetch_part(listed, path, *part), parts))

    def place(self, key: str) -> str:
        """The URL of a key."""
        return f"{self.url}/{key}" if key else self.url

    def _fetch_part(self, listed: Listed, path: Path, start: int, stop: int) -> bool:
        def get() -> tuple[str | None, int, bytes]:
            found = _obstore().get(self.store, listed.key, options={"range": (start, stop)})
            return found.meta["e_tag"], found.meta["size"], bytes(found.bytes())

        try:
            e_tag, size, content = self._again(get, listed.key)
        except FileNotFoundError:
            return False
        if _bare(e_tag) != listed.e_tag or size != listed.size or len(content) != stop - start:
            return False
        with path.open("r+b") as file:
            file.seek(start)
            file.write(content)
        return True

    def _listed(self, one: Any) -> Listed:
        e_tag = self._tagged(one["path"], one["e_tag"])
        return Listed(one["path"], one["size"], _bare(e_tag), int(one["last_modified"].timestamp()))

    def _tagged(self, key: str, e_tag: str | None) -> str:
        if not _bare(e_tag):
            raise StorageError(
                f"{self.place(key)} has no e-tag, which tells one version of it from another; use a store that gives "
                "e-tags, or a local folder"
            )
        return e_tag or ""

    def _again(self, ask: Callable[[], _Answer], key: str, done: str = "read") -> _Answer:
        errors = _errors()
        for attempt in range(_ATTEMPTS):
            try:
                answer = ask()
                self.answered.add(self.url)
                return answer
            except (errors.AlreadyExistsError, errors.PreconditionError):
                raise
            except FileNotFoundError as error:
                if not _is_final(error):  # the bucket is there, the object is not
                    raise
                last: Exception = error
            except errors.BaseError as error:
                last = error
            if _is_final(last):
                break
            if attempt + 1 < _ATTEMPTS:
                time.sleep(random.uniform(0.5, 1.0) * _PAUSE_S * 2**attempt)
        raise UnreachableError(f"{self.place(key)} can't be {done}{self._why(last)}") from last

    def _why(self, error: Exception) -> str:
        if any(words in str(error) for words in _NO_BUCKET):
            bucket = "/".join(self.url.split("/")[:3])  # s3://name
            return f": the bucket {bucket} does not exist; make it, or correct its name or the endpoint, then run again"
        return f" ({_first_line(error)}); {_remedy(error)}"


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
        parts = _URL.fullmatch(url)
        assert parts is not None, f"{url} was asked for without in_bucket"
        if {"?", "#"} & set(url):
            raise ConfigError(
                f"{url} has a bare ? or #, and a bucket's URL ends there; in the name of a prefix write %3F or %23, "
                "and set the region and the endpoint in the environment (AWS_REGION, AWS_ENDPOINT_URL)"
            )
        scheme, bucket, prefix = parts.groups()
        return cls(_opened(f"{scheme}://{bucket}/{prefix}".rstrip("/")))

    def __truediv__(self, behind: str | PurePath) -> "ObjectPath":
        return ObjectPath(self.bucket, "/".join(filter(None, (self.key, *PurePath(behind).parts))))

    def __str__(self) -> str:
        return self.bucket.place(self.key)

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    def is_dir(self) -> bool:
        return bool(self.bucket.children(self.key))

    def exists(self) -> bool:
        return bool(self.key and self.bucket.find(self.key)) or self.is_dir()

    def iterdir(self) -> Iterator["ObjectPath"]:
        return (ObjectPath(self.bucket, key) for key in self.bucket.children(self.key))

    def matching(self, *ways: tuple[re.Pattern[str], ...]) -> list["ObjectPath"]:
        """The objects below this place whose way there has the names of one of these, in the order of their keys."""
        found = []
        for listed in self.bucket.below(self.key):
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
        listed = self.bucket.find(self.key)
        return None if listed is None else ObjectPath(self.bucket, self.key, listed)

    def read_bytes(self) -> bytes:
        return self.bucket.read(self.key)

    def content(self) -> Content | None:
        """As `Bucket.content`."""
        return self.bucket.content(self.key)

    def put(self, content: bytes | Path) -> str:
        """As `Bucket.put`."""
        return self.bucket.put(self.key, content)

    def create(self, content: bytes) -> bool:
        """As `Bucket.create`."""
        return self.bucket.create(self.key, content)

    def replace(self, content: bytes, seen: Content | None) -> bool:
        """As `Bucket.replace`, in the place of what was seen there; as `create` where nothing was."""
        if seen is None:
            return self.bucket.create(self.key, content)
        return self.bucket.replace(self.key, content, seen.e_tag, seen.version)

    def below(self) -> list[Listed]:
        """Every object below this place, as `Bucket.below` has them."""
        return self.bucket.below(self.key)

    def fetch(self, path: Path, pool: Executor) -> bool:
        """Write a found object to a file; whether it still is as it was listed."""
        return self.bucket.fetch(self.as_listed, path, pool)

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


@lru_cache(maxsize=16)
def _opened(url: str) -> Bucket:
    """Kept open: each store has connections and credentials of its own."""
    try:
        store = _obstore("store").from_url(url, retry_config=_RETRIES)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{url} can't be opened ({_first_line(error)}); write s3://bucket/prefix"
        ) from error
    return Bucket(url, store)


def _obstore(part: str = "") -> Any:
    try:
        return importlib.import_module(f"obstore.{part}" if part else "obstore")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "obstore is not installed, which reads buckets; install it: pip install 'mtmd[s3]'"
        ) from error


def _errors() -> Any:
    _obstore()
    return importlib.import_module("obstore.exceptions")


def _is_final(error: BaseException) -> bool:
    """Whether trying again can't help."""
    return any(words in str(error) for words in (*_FINAL, *_DENIED))


def _prefix(folder: str) -> str | None:
    return f"{folder}/" if folder else None


def _bare(e_tag: str | None) -> str:
    """Stores write the same tag with and without quotes."""
    return (e_tag or "").removeprefix("W/").strip('"')


def _first_line(error: BaseException) -> str:
    words = str(error).strip().partition("\n")[0]
    return re.sub(r"\s*<\?xml.*", "", words) or type(error).__name__


def _remedy(error: BaseException) -> str:
    if any(words in str(error) for words in _DENIED):
        return "access is denied: give this process credentials that may list, read and, for artifacts, write there"
    if "builder error" in str(error) and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:"):
        return "AWS_ENDPOINT_URL is not encrypted: set AWS_ALLOW_HTTP=true to allow that"
    return "see that the bucket's name, the region and the endpoint are right and the store answers; then run again"
