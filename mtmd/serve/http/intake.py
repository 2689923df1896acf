"""What the service lets in: its limits, the reading of a body, room for calls that wait, and refusals."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from pydantic import Field
from starlette.requests import ClientDisconnect, Request

from mtmd.config import Frozen

_Result = TypeVar("_Result")


class Settings(Frozen):
    """Limits of one process of the service."""

    threads: int = Field(2, ge=1, le=256, description="calls that are answered at once, a core each")
    queue: int = Field(64, ge=0, description="calls that wait beside them; beyond, the service says 503")
    timeout_s: float = Field(2.0, gt=0, description="how long a call may wait and be answered before 503")
    body_timeout_s: float = Field(5.0, gt=0, description="how long a request's body may take before 408")
    connections: int = Field(512, ge=1, description="open connections; beyond, the service says 503")
    body_bytes: int = Field(1 << 20, ge=1, description="largest body; beyond, the service says 413")
    requests: int = Field(32, ge=1, description="most requests of a call")
    ads: int = Field(10_000, ge=1, description="most ads that a call may name")
    top_k: int = Field(500, ge=1, description="most ads of an answer, for each request")
    poll_s: float = Field(1.0, gt=0, description="how often the champion and its ads are looked at")


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
        """When to come back."""
        return {"retry-after": "1"} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}


async def read_body(request: Request, settings: Settings) -> bytes:
    """Raises Refused with 413 for too many bytes, 408 for too slow ones, 400 when they end before the body does.

    What is too much is read and dropped, so that its sender hears the answer.
    """
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for part in request.stream():
                size += len(part)
                if size <= settings.body_bytes:
                    body += part
    except TimeoutError as error:
        words = f"the body took longer than {settings.body_timeout_s:g} s"
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, words) from error
    except ClientDisconnect as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body ended before its end") from error
    if size > settings.body_bytes:
        words = f"the body has more than {settings.body_bytes} bytes"
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
    return bytes(body)


class Pool:
    """`threads` calls are answered at once, and `queue` wait."""

    def __init__(self, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._room, self._lock = threads + queue, threading.Lock()
        self.taken = 0

    async def run(self, work: Callable[[], _Result], timeout_s: float) -> _Result:
        """The work's result; raises Refused with 503 without room, or when it takes longer than `timeout_s`.

        Work that did not begin by then never does; a thread can't be stopped, so work that did keeps its room.
        """
        with self._lock:
            if self.taken >= self._room:
                words = f"{self.taken} calls are waiting; come back later"
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, words)
            self.taken += 1
        running: Future[_Result] = self._executor.submit(work)
        running.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(running), timeout_s)
        except TimeoutError as error:
            words = f"there was no answer within {timeout_s:g} s; come back later"
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, words) from error

    def close(self) -> None:
        """Work that runs ends; what waits never begins."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _: Future[_Result]) -> None:
        with self._lock:
            self.taken -= 1
