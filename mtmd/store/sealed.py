"""JSON objects with the digest of their own content beside it, by which any later change is noticed."""

import hashlib
import json
from typing import Any

_SEAL = "content_sha256"  # the digest of all other keys


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with its seal."""
    return value | {_SEAL: _digest(value)}


def unsealed(value: Any) -> Any:
    """A JSON value without its seal; raises ValueError where the content is not what was sealed.

    What has no seal, such as what an older version wrote, is returned as it is.
    """
    if not isinstance(value, dict) or _SEAL not in value:
        return value
    content = {key: entry for key, entry in value.items() if key != _SEAL}
    if (found := _digest(content)) != value[_SEAL]:
        raise ValueError(f"its content has sha256 {found}, but it was written with {value[_SEAL]}")
    return content


def parsed(content: bytes) -> Any:
    """A JSON value without its seal, from the bytes of a file; raises ValueError as `unsealed` does, or for no JSON.

    A file as `write_json` lays it out is compared as it stands, which takes a third of the time of writing its values
    anew: without the line breaks and blanks between them it is what was sealed.
    """
    value = json.loads(content)
    # A text with a quote before a colon could lose a blank here.
    if isinstance(value, dict) and isinstance(seal := value.get(_SEAL), str) and b'\\":' not in content:
        close = b"".join(map(bytes.lstrip, content.splitlines())).replace(b'": ', b'":')
        own = f'"{_SEAL}":"{seal}",'.encode()
        if hashlib.sha256(close.replace(own, b"", 1)).hexdigest() == seal:
            del value[_SEAL]
            return value
    return unsealed(value)


def _digest(value: dict[str, Any]) -> str:
    """NaN is allowed, unlike in `mtmd.store.files.digest`."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
