"""What the service lets in: its limits, the reading of a body, and why a request is refused.

A body must be JSON, not too large, and there in time. A refusal has a status, a sentence, and places in the body.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from pydantic import Field
from starlette.requests import ClientDisconnect, Request

from mtmd.config import Frozen
from mtmd.serve.published import Precision

MODELS = ("champion", "candidate")  # of `?model=`
_DISCARDED = 8  # times the largest body: so much of a larger one is read, so that its sender hears the answer


class Settings(Frozen):
    """Limits of one process of the service."""

    threads: int = Field(2, ge=1, le=256, description="calls that are answered at once, a core each")
    queue: int = Field(64, ge=0, description="calls that wait beside them; beyond, the service says 503")
    timeout_s: float = Field(2.0, gt=0, description="how long a call may wait and be answered before 503")
    head_timeout_s: float = Field(
        5.0,
        gt=0,
        description="how long a request's head may take before 408, and a client may take no byte of its answer",
    )
    body_timeout_s: float = Field(5.0, gt=0, description="how long a request's body may take before 408")
    connections: int = Field(512, ge=1, description="open connections; beyond, the service says 503")
    body_bytes: int = Field(1 << 20, ge=1, description="largest body; beyond, the service says 413")
    requests: int = Field(32, ge=1, description="most requests of a call")
    ads: int = Field(10_000, ge=1, description="most ads that a call may name")
    top_k: int = Field(500, ge=1, description="most ads of an answer, for each request")
    poll_s: float = Field(1.0, gt=0, description="how often the champion and its ads are looked at")
    precision: Precision = Field("float32", description="of the published ads that are mapped")


class Detail(Frozen):
    """One thing that is wrong with a body."""

    where: str = Field(description="place in the body, such as requests.0.surface")
    says: str


class Problem(Frozen):
    """The body of every answer that is not 200."""

    error: str
    details: tuple[Detail, ...] = ()


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request gets this status, and a `Problem`."""

    def __init__(self, status: HTTPStatus, words: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(words)
        self.status, self.problem = status, Problem(error=words, details=tuple(details))

    @property
    def headers(self) -> dict[str, str]:
        """A client that is told to come back is told when; one without a key is told how to show one."""
        if self.status == HTTPStatus.UNAUTHORIZED:
            return {"www-authenticate": 'Bearer realm="mtmd", Basic realm="mtmd"'}
        return {"retry-after": "1"} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def asks_candidate(request: Request) -> bool:
    """Whether the call asks that the candidate answers it too; raises Refused with 422 for another model."""
    model = request.query_params.get("model", "champion")
    if model not in MODELS:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"model is {model[:100]!r}; it must be champion, or candidate for a comparison in the background",
        )
    return model == "candidate"


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
