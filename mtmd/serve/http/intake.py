"""What the service lets in: its limits, reading of a body, room for calls that wait, refusals, and what bodies say."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from starlette.requests import ClientDisconnect, Request

from mtmd.config import Declarations, Frozen
from mtmd.features.feature import BIG_ID, list_of, number, whole
from mtmd.logs.contract import LONGEST_ID, Id, id_types
from mtmd.serve.ranker import Row

_Result = TypeVar("_Result")
_SHOWN = 5  # of the things that are wrong with a body
_STRICT = ConfigDict(extra="forbid", strict=True)
_IDS: dict[str, Any] = {
    "BIGINT": BIG_ID,
    "VARCHAR": Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*$")],
}
IdsAs = Annotated[
    Literal["declared", "string"],
    Field(
        description="how the answer writes ids: as they are declared, or as strings, where BIGINT is a number too"
    ),
]


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


@dataclass(frozen=True)
class Call:
    """A validated body; one of /embed has no more than requests and ids."""

    requests: list[Row]
    ids: IdsAs
    top_k: int = 0
    rank_by: str | dict[str, float] | None = (
        None  # a task, by default the first, or weights of tasks for a utility
    )
    ad_ids: list[Id] | None = None


class Bodies:
    """The bodies of /rank and /embed that one bundle understands."""

    def __init__(self, declarations: Declarations, settings: Settings) -> None:
        tasks: Any = Literal[declarations.domains.task_names]
        requests = list_of(_row(declarations), settings.requests, 1, "raw requests, as the logs have them")
        ads = list_of(_IDS[declarations.ids.ad], settings.ads)
        weight = number(-1e6, 1e6)
        weights: Any = Annotated[dict[tasks, weight], Field(min_length=1)]  # type: ignore[valid-type]
        by = "a task (default: the first), or weights: bid × Σ weight × P(task)"
        named = "rank these published ads only; each counts once. Default: all"
        count: Any = Annotated[int, Field(strict=True, ge=1, le=settings.top_k), BeforeValidator(whole)]
        shared: dict[str, Any] = {"requests": (requests, ...), "ids": (IdsAs, "declared")}
        self.embed: type[BaseModel] = create_model("EmbedRequest", __config__=_STRICT, **shared)
        self.rank: type[BaseModel] = create_model(
            "RankRequest",
            __config__=_STRICT,
            **shared,
            rank_by=(tasks | weights | None, Field(None, description=by)),
            top_k=(count, 10),
            ad_ids=(ads | None, Field(None, description=named)),
        )


def parsed(model: type[BaseModel], body: bytes) -> Call:
    """A body of a model of `Bodies`; raises Refused with 400 for what is not JSON, 422 for what it does not accept."""
    try:
        read = model.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return Call(**read.model_dump(by_alias=True, exclude_none=True))
    details = [
        Detail(where=".".join(map(str, fault["loc"]))[:200], says=fault["msg"][:300])
        for fault in wrong[:_SHOWN]
    ]
    if wrong[0]["type"] == "json_invalid":
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON that can be read", details)
    count = "1 value" if len(wrong) == 1 else f"{len(wrong)} values"
    text = f"{count} of the body cannot be read; /openapi.json describes what is accepted"
    raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, text, details)


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
    columns = {name: kind for feature in query.fields for name, kind in feature.request_types().items()}
    for place, name in enumerate(columns):
        if name not in reserved:
            fields[f"column_{place}"] = (ids.get(name, columns[name]) | None, Field(None, alias=name))
    made: type[BaseModel] = create_model("Request", __config__=_STRICT, **fields)
    return made
