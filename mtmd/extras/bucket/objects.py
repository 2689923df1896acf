"""Buckets that are opened (S3, or to read logs Google Cloud Storage or Azure, by obstore), and objects in them.

Credentials, endpoint and region are what obstore reads from the environment (AWS_…, GOOGLE_…, AZURE_…).
obstore itself tries a request again, with growing and random pauses, after a 5xx, a timeout or a refused connection;
what breaks off after an answer has begun is tried again here. An object is written whole or not at all. `replace` is
conditional: of several writers one wins, and the others are told so.
"""

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
_PART = 8 << 20  # bytes of a large file that go up in one request
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist")
_Answer = TypeVar("_Answer")


def obstore(part: str = "obstore") -> Any:
    return extension.library(part, "s3", "reads buckets")


def errors() -> Any:
    return obstore("obstore.exceptions")


@lru_cache(maxsize=16)
def opened(url: str) -> Any:
    """obstore's store of a prefix, kept open: each has connections and credentials of its own."""
    store = obstore("obstore.store")
    try:
        return store.from_url(url, retry_config=_RETRIES)
    except Exception as error:
        raise ConfigError(f"{url} can't be opened ({_shown(error)}); write s3://bucket/prefix") from error


def _shown(error: BaseException) -> str:
    words = str(error).strip().partition("\n")[0]
    return re.sub(r"<\?xml.*?\?>", "", words)[:300] or type(error).__name__


class Listed(NamedTuple):
    """An object as a listing has it; `key` is below the bucket's prefix, `size` in bytes."""

    key: str
    size: int
    e_tag: str
    written_s: int = 0  # by the store's clock, in whole seconds of the epoch


class Content(NamedTuple):
    """A small object, and by what `replace` knows whether it is still the same."""

    bytes: bytes
    listed: Listed


@final
@dataclass(frozen=True, order=True)
class ObjectPath:
    """A place below a bucket's prefix, with those methods of a Path that finding the files of a day needs."""

    url: str  # of the prefix
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
        place = cls(f"{scheme}://{bucket}/{prefix}".rstrip("/"))
        opened(place.url)
        return place

    def __truediv__(self, behind: str | PurePath) -> "ObjectPath":
        return self.at("/".join(filter(None, (self.key, *PurePath(behind).parts))))

    def at(self, key: str) -> "ObjectPath":
        """The place of a key below the same prefix."""
        return ObjectPath(self.url, key)

    def __str__(self) -> str:
        return f"{self.url}/{self.key}" if self.key else self.url

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def _store(self) -> Any:
        return opened(self.url)

    def exists(self) -> bool:
        return bool(self.key and self.found()) or bool(list(self.iterdir()))

    def iterdir(self) -> Iterator["ObjectPath"]:
        """The folders and objects that are directly in this one."""
        found = self._ask(lambda: obstore().list_with_delimiter(self._store, self._prefix))
        keys = sorted({*found["common_prefixes"], *(one["path"] for one in found["objects"])})
        return map(self.at, keys)

    def matching(self, names: tuple[re.Pattern[str], ...]) -> list["ObjectPath"]:
        """The objects below this place whose way there has these names, in the order of their keys."""
        ways = ((one, PurePath(one.key).relative_to(self.key).parts) for one in self.below())
        return [
            ObjectPath(self.url, one.key, one)
            for one, way in ways
            if len(way) == len(names)
            and all(name.fullmatch(part) for name, part in zip(names, way, strict=True))
        ]

    def below(self) -> list[Listed]:
        """Every object below this place, at any depth, in the order of names."""
        listing = self._ask(lambda: list(obstore().list(self._store, self._prefix)))
        objects = (self._listed(one) for part in listing for one in part)
        return sorted(objects, key=lambda one: PurePath(one.key).parts)  # as paths of files are

    def found(self) -> "ObjectPath | None":
        """The object of this very name. An answer to this request does not say whether the bucket is there."""
        with suppress(FileNotFoundError):
            one = self._ask(lambda: obstore().head(self._store, self.key))
            return ObjectPath(self.url, self.key, self._listed(one))
        return None

    def content(self) -> Content | None:
        """A small object with its e-tag; None where it is not there."""

        def get() -> Content:
            found = obstore().get(self._store, self.key)
            return Content(bytes(found.bytes()), self._listed(found.meta))

        with suppress(FileNotFoundError):
            return self._ask(get)
        return None

    def download(self, path: Path, e_tag: str | None = None) -> bool:
        """Write the object to a file; whether it is there, and is still what was listed with an e-tag."""

        def get() -> bool:
            found = obstore().get(self._store, self.key)
            if e_tag is not None and _bare(found.meta["e_tag"]) != _bare(e_tag):
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
        self._ask(lambda: obstore().put(self._store, self.key, content, chunk_size=_PART), "written")

    def replace(self, content: bytes, seen: Content | None) -> bool:
        """Write a small object in the place of what was seen there, None for nothing.

        Whether it has this content now: a lost answer is no failure.
        """
        mode: Any = "create" if seen is None else {"e_tag": seen.listed.e_tag}
        known = errors()
        with suppress(FileNotFoundError, known.AlreadyExistsError, known.PreconditionError):
            self._ask(lambda: obstore().put(self._store, self.key, content, mode=mode), "written")
            return True
        return (found := self.content()) is not None and found.bytes == content

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects of this prefix, in no order; one that is not there is no error."""
        if keys:
            self._ask(lambda: obstore().delete(self._store, list(keys)), "removed")

    @property
    def _prefix(self) -> str | None:
        return f"{self.key}/" if self.key else None

    def _listed(self, one: Any) -> Listed:
        """An object of a listing; raises StorageError for one without an e-tag."""
        if not one["e_tag"]:
            raise StorageError(
                f"{self.at(one['path'])} has no e-tag, which tells one version of it from another; use a store that "
                "gives e-tags, or a local folder"
            )
        return Listed(one["path"], one["size"], one["e_tag"], int(one["last_modified"].timestamp()))

    def _ask(self, ask: Callable[[], _Answer], done: str = "read") -> _Answer:
        """What a request gives, tried a few times; raises UnreachableError that names the URL without an answer.

        Raises FileNotFoundError where the bucket is there and the object is not.
        """
        known = errors()
        for attempt in range(_ATTEMPTS):
            try:
                return ask()
            except (known.AlreadyExistsError, known.PreconditionError):
                raise
            except (FileNotFoundError, known.BaseError) as error:
                last = error
                if isinstance(error, FileNotFoundError) and not any(one in str(error) for one in _NO_BUCKET):
                    raise
            time.sleep(random.uniform(0.5, 1.0) * _PAUSE_S * 2**attempt)
        raise UnreachableError(
            f"{self} can't be {done} ({_shown(last)}); see that the bucket exists, that its name, region and endpoint "
            "are right (an endpoint with http: needs AWS_ALLOW_HTTP=true), and that the credentials allow it; then run "
            "again"
        ) from last


def _bare(e_tag: str) -> str:
    """Stores write the same tag with and without quotes."""
    return e_tag.removeprefix("W/").strip('"')


def is_below(way: str) -> bool:
    """Whether a way, of names with slashes between them, leads below the folder that it begins in."""
    return not {"", ".", ".."} & set(way.split("/"))


def require_below(way: str, name: object) -> str:
    """The way; raises StorageError, naming the object, where it leads out of its folder: others write to the bucket."""
    if not is_below(way):
        raise StorageError(
            f"the object {name} must stay below its folder, and its key leads elsewhere; remove it, then run again"
        )
    return way
