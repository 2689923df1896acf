"""What the service lets in: its limits, reading of a body, room for calls that wait, and what bodies say."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Annotated, Any, Literal, TypeVar

from fastapi import HTTPException
from prometheus_client import Gauge
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from starlette.requests import ClientDisconnect, Request

from mtmd.config import Declarations, Frozen
from mtmd.features.feature import BIG_ID, list_of, number, whole
from mtmd.logs.contract import LONGEST_ID, Id, id_types

_Result = TypeVar("_Result")
_STRICT = ConfigDict(extra="forbid", strict=True)
_IDS: dict[str, Any] = {
    "BIGINT": BIG_ID,
    "VARCHAR": Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*$")],
}


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


def unavailable(words: str) -> HTTPException:
    """503, and when to come back."""
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, words, {"retry-after": "1"})


async def read_body(request: Request, settings: Settings) -> bytes:
    """Raises HTTPException with 413 for too many bytes, 408 for too slow ones, 400 when they end before the body does.

    What is too much is read and dropped, so that its sender hears the answer.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for part in request.stream():
                body += part[: settings.body_bytes + 1 - len(body)]
    except TimeoutError as error:
        words = f"the body took longer than {settings.body_timeout_s:g} s"
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, words) from error
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body ended before its end") from error
    if len(body) > settings.body_bytes:
        words = f"the body has more than {settings.body_bytes} bytes"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
    return bytes(body)


class Pool:
    """`threads` calls are answered at once, and `queue` wait."""

    def __init__(self, threads: int, queue: int, in_flight: Gauge) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._room, self._in_flight = BoundedSemaphore(threads + queue), in_flight

    async def run(self, work: Callable[[], _Result], timeout_s: float) -> _Result:
        """The work's result; raises HTTPException with 503 without room, or when it takes longer than `timeout_s`.

        Work that did not begin by then never does; a thread can't be stopped, so work that did keeps its room.
        """
        if not self._room.acquire(blocking=False):
            raise unavailable("too many calls are waiting; come back later")
        self._in_flight.inc()
        running: Future[_Result] = self._executor.submit(work)
        running.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(running), timeout_s)
        except TimeoutError as error:
            raise unavailable(f"there was no answer within {timeout_s:g} s; come back later") from error

    def close(self) -> None:
        """Work that runs ends; what waits never begins."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _: Future[_Result]) -> None:
        self._in_flight.dec()
        self._room.release()


class Bodies:
    """The bodies of /rank and /embed that one bundle understands."""

    def __init__(self, declarations: Declarations, settings: Settings) -> None:
        tasks: Any = Literal[declarations.domains.task_names]
        ads = list_of(_IDS[declarations.ids.ad], settings.ads)
        weights: Any = Annotated[dict[tasks, number(-1e6, 1e6)], Field(min_length=1)]  # type: ignore[misc]
        by = "a task (default: the first), or weights: bid × Σ weight × P(task)"
        named = "rank these published ads only; each counts once. Default: all"
        count: Any = Annotated[int, Field(strict=True, ge=1, le=settings.top_k), BeforeValidator(whole)]
        self.most = settings.requests
        self._user = TypeAdapter[Id](_IDS[declarations.ids.user])
        requests = list_of(_row(declarations), settings.requests, 1, "raw requests, as the logs have them")
        self.embed = create_model("EmbedRequest", __config__=_STRICT, requests=(requests, ...))
        self.rank = create_model(
            "RankRequest",
            __config__=_STRICT,
            requests=(requests, ...),
            rank_by=(tasks | weights | None, Field(None, description=by)),
            top_k=(count, 10),
            ad_ids=(ads | None, Field(None, description=named)),
        )

    def user(self, value: object) -> Id | None:
        """A user's id as the logs have it, from the value in a body: 7.0 and "7" are 7; None for what is no id."""
        with suppress(ValidationError):
            return self._user.validate_python(value)
        return None


def parsed(model: type[BaseModel], body: bytes) -> dict[str, Any]:
    """A body of a model of `Bodies`, without what is null; raises pydantic's ValidationError."""
    return model.model_validate_json(body).model_dump(by_alias=True, exclude_none=True)


def _row(declarations: Declarations) -> type[BaseModel]:
    """A raw request: its surface, and any of the declared features; an absent one is null.

    Fields are numbered, since a feature may have any name; the names are aliases.
    """
    query = declarations.query
    ids = {column: _IDS[kind] for column, kind in id_types("requests", declarations.ids).items()}
    fields: dict[str, Any] = {
        "request_id": (ids["request_id"] | None, Field(None, description="comes back with the answer")),
        "surface": (Literal[declarations.domains.surfaces], ...),
    }
    reserved = frozenset(fields)
    if "user_id" not in {feature.name for feature in query.fields}:
        fields["user_id"] = (ids["user_id"] | None, Field(None, description="who has one model in a rollout"))
    columns = {feature.name: feature.request_type for feature in query.fields}
    for place, name in enumerate(columns):
        if name not in reserved:
            fields[f"column_{place}"] = (ids.get(name, columns[name]) | None, Field(None, alias=name))
    made: type[BaseModel] = create_model("Request", __config__=_STRICT, **fields)
    return made
