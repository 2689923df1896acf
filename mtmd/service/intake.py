"""A request's body, if it is JSON, not too large, and there in time."""

import asyncio
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from mtmd.service.errors import Refused
from mtmd.service.settings import Settings

_DISCARDED = 8  # times the largest body: so much of a larger one is read, so that its sender hears the answer


async def read_body(request: Request, settings: Settings) -> bytes:
    """Raises Refused with 415 for another type, 413 for too many bytes, 408 for too slow ones, 400 when they end."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type is {kind[:100]!r}; send application/json"
        )
    coding = request.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-encoding is {coding[:100]!r}; send plain JSON"
        )
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            return await _read(request, settings.body_bytes)
    except TimeoutError as error:
        raise Refused(
            HTTPStatus.REQUEST_TIMEOUT, f"the body took longer than {settings.body_timeout_s:g} s"
        ) from error
    except ClientDisconnect as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body ended before its end") from error


async def _read(request: Request, limit: int) -> bytes:
    too_large = Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {limit} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > _DISCARDED * limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > _DISCARDED * limit:
            break
    if size > limit:
        raise too_large
    return b"".join(parts)
