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
from mtmd.errors import ConfigError, UnreachableError

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
