"""Buckets that are opened: S3, Google Cloud Storage or Azure, by obstore.

Credentials, endpoint and region are what obstore reads from the environment (AWS_…, GOOGLE_…, AZURE_…).
obstore itself tries a request again, with growing and random pauses, after a 5xx, a timeout or a refused connection;
what breaks off after an answer has begun is tried again here.
"""

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

from mtmd import extension
from mtmd.errors import ConfigError, StorageError, UnreachableError

_ATTEMPTS, _PAUSE_S = 3, 0.5
_RETRIES = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5), "base": 2.0},
}
_DENIED = ("status code: 401", "status code: 403")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "specified bucket does not exist")
_FINAL = (*_NO_BUCKET, "builder error")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Listed:
    """An object as a listing has it; `key` is below the bucket's prefix, `size` in bytes."""

    key: str
    size: int
    e_tag: str
    written_s: int = field(default=0, compare=False)  # by the store's clock, in whole seconds of the epoch


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket, opened.

    `answered` is filled by the first answer that only a bucket can give which is there.
    """

    url: str
    store: Any = field(compare=False)
    answered: set[str] = field(default_factory=set, compare=False, repr=False)

    def place(self, key: str) -> str:
        """The URL of a key."""
        return f"{self.url}/{key}" if key else self.url

    def listed(self, one: Any) -> Listed:
        """An object of a listing; raises StorageError for one without an e-tag."""
        e_tag = bare(self.tagged(one["path"], one["e_tag"]))
        return Listed(one["path"], one["size"], e_tag, int(one["last_modified"].timestamp()))

    def tagged(self, key: str, e_tag: str | None) -> str:
        """An object's e-tag; raises StorageError where there is none."""
        if not bare(e_tag):
            raise StorageError(
                f"{self.place(key)} has no e-tag, which tells one version of it from another; use a store that gives "
                "e-tags, or a local folder"
            )
        return e_tag or ""

    def again(self, ask: Callable[[], _Answer], key: str, done: str = "read") -> _Answer:
        """What a request gives, tried a few times; raises UnreachableError that names the URL without an answer."""
        known = errors()
        for attempt in range(_ATTEMPTS):
            try:
                answer = ask()
                self.answered.add(self.url)
                return answer
            except (known.AlreadyExistsError, known.PreconditionError):
                raise
            except FileNotFoundError as error:
                if not _is_final(error):  # the bucket is there, the object is not
                    raise
                last: Exception = error
            except known.BaseError as error:
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


def _is_final(error: BaseException) -> bool:
    """Whether trying again can't help."""
    return any(words in str(error) for words in (*_FINAL, *_DENIED))


def bare(e_tag: str | None) -> str:
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
