"""API keys: who may ask the service. Without keys it is open, and then it only listens on this machine.

A key is a secret of at least 16 characters. A file has one key on each line, or `sha256:` and the digest of a key; it
is read again when it changes, so a key is exchanged without a restart: add the new one, let clients move, remove the
old one. A client sends its key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.requests import Request

from mtmd.errors import ConfigError

VARIABLE = "MTMD_API_KEYS"
_KEY = re.compile(r"[!-~]{16,512}")  # ASCII that an HTTP header can carry, without spaces
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_POLL_S = 1.0  # between looks at the file
_log = logging.getLogger(__name__)


class Keys:
    """The keys that are valid now, as digests."""

    def __init__(self, digests: Sequence[bytes], file: Path | None = None) -> None:
        """With `file`, its keys are valid, from the first request on."""
        self._digests, self._file = tuple(digests), file
        self._state: tuple[int, int, int] | None = None
        self._problem: str | None = None
        self._look_again = 0.0

    @classmethod
    def of(cls, file: Path | None, environment: Mapping[str, str]) -> "Keys | None":
        """The keys of a file, or of the variable MTMD_API_KEYS, separated by commas; None where neither is given.

        Raises ConfigError for both at once, no key, a key that is too short or has other characters, or a file that
        can't be read.
        """
        given = environment.get(VARIABLE)
        if file is not None and given is not None:
            raise ConfigError(
                f"keys are given by {file} and by {VARIABLE}; a key removed from one of them would stay valid by the "
                "other: give one of them"
            )
        if file is not None:
            return cls(_read(file), file)
        return None if given is None else cls(_digests(given.split(","), VARIABLE))

    def admit(self, request: Request) -> bool:
        """Whether the request shows a valid key. Every valid key is compared, in constant time."""
        self._follow()
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        shown = [value.strip()] if scheme.lower() == "bearer" else []
        shown += [request.headers["x-api-key"]] if "x-api-key" in request.headers else []
        digests = [hashlib.sha256(key.encode("latin-1")).digest() for key in shown]
        return any([hmac.compare_digest(given, key) for given in digests for key in self._digests])  # noqa: C419 - all

    def _follow(self) -> None:
        """Read the file again when it changed, until it can be read; keys that were valid stay so meanwhile."""
        if self._file is None or time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + _POLL_S
        try:
            found = self._file.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
            if state == self._state:
                return
            self._digests, self._state, self._problem = _read(self._file), state, None
        except (OSError, ConfigError) as error:
            if (words := str(error)) != self._problem:
                _log.warning("the keys of %s stay as they were: %s", self._file, words)
            self._problem = words


def require_safe(host: str, keys: Keys | None, open_to_the_network: bool) -> None:
    """Raise ConfigError where the network could reach a service without keys, unless the operator wants this."""
    if keys is None and not open_to_the_network and not _is_loopback(host):
        raise ConfigError(
            f"host ({host}) can be reached from the network and no keys are set, so anybody there could use the "
            f"service; set keys with --keys FILE or {VARIABLE}, listen on 127.0.0.1 behind a proxy that "
            "authenticates, or accept it with --open-to-the-network"
        )


def _is_loopback(host: str) -> bool:
    """Names other than localhost may resolve to anything, so they count as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(file: Path) -> tuple[bytes, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"keys in {file} cannot be read ({error}); it must be a text file") from error
    return _digests([line for line in lines if not line.lstrip().startswith("#")], str(file))


def _digests(keys: Sequence[str], source: str) -> tuple[bytes, ...]:
    """Digests of keys; messages never show a key."""
    given = [key.strip() for key in keys if key.strip()]
    if not given:
        raise ConfigError(f"{source} has no keys; it must have at least one, or not be given")
    return tuple(_digest(key, f"key {number} of {source}") for number, key in enumerate(given, 1))


def _digest(key: str, name: str) -> bytes:
    if hashed := _DIGEST.fullmatch(key):
        return bytes.fromhex(hashed[1])
    if not _KEY.fullmatch(key) or key.startswith("sha256:"):
        raise ConfigError(
            f"{name} has {len(key)} characters; a key must be 16 to 512 visible ASCII characters, or `sha256:` and "
            "64 hexadecimal digits of its digest: make one with `openssl rand -hex 32`"
        )
    return hashlib.sha256(key.encode()).digest()
