"""The HTTP service: its routes, its OpenAPI document, and the answers to requests that are refused."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI, Security
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from prometheus_client.registry import Collector
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mtmd.serve.http.answers import EmbedAnswer, RankAnswer, ReadyAnswer, answer_embed, answer_rank
from mtmd.serve.http.intake import Pool, Problem, Refused, Settings, read_body
from mtmd.serve.http.keys import Keys
from mtmd.serve.http.live import Live, Serving
from mtmd.serve.http.metrics import Metrics

_JSON = "application/json"
_REFUSALS = {
    400: "Not HTTP's or JSON's grammar",
    408: "Too slow",
    413: "Too large",
    415: "Not application/json",
    422: "JSON, but not a body that the bundle understands",
    503: "No model is loaded, or too many calls wait; Retry-After says when to come back",
}


class Observer(Protocol):
    """Sees the calls of /rank after they were answered; an extra's module `observer` makes one."""

    collector: Collector  # its figures on /metrics

    def start(self) -> None:
        """The service starts."""

    def stop(self) -> None:
        """The service ends."""

    def answered(self, request: Request, body: bytes, answer: bytes) -> None:
        """One call was answered; takes microseconds, and never raises."""


def create_app(
    line: Path, settings: Settings, keys: Keys | None = None, observers: Sequence[Observer] = ()
) -> FastAPI:
    """The service of a line of models, such as artifacts/demo; its champion is followed while it runs.

    With keys, a request without one learns whether the process answers, whether it is ready, and the routes.
    """
    service = _Service(line, settings, keys, observers)
    app = FastAPI(
        title="MTMD ranker",
        version="1",
        openapi_url=None,  # the served model decides what a body is: see `_Service.openapi`
        lifespan=service.lifespan,
        exception_handlers={Refused: _refused, HTTPException: _other},
    )
    asked: dict[str, Any] = {}
    if keys is not None:  # for the document; `_Service.require_key` compares them
        shown = (HTTPBearer(auto_error=False), APIKeyHeader(name="X-API-Key", auto_error=False))
        asked["dependencies"] = [Security(scheme) for scheme in shown]
    refusals = _REFUSALS if keys is None else _REFUSALS | {401: "No valid key"}
    asked["responses"] = {
        status: {"model": Problem, "description": words} for status, words in refusals.items()
    }
    app.post("/rank", response_model=RankAnswer, summary="The best published ads of each request", **asked)(
        service.rank
    )
    app.post("/embed", response_model=EmbedAnswer, summary="Query embeddings of each request", **asked)(
        service.embed
    )
    health = app.get("/health", response_class=PlainTextResponse, summary="Whether the process answers")
    ready = app.get(
        "/ready",
        response_model=ReadyAnswer,
        responses={503: {"model": Problem, "description": "Nothing is loaded"}},
        summary="Whether a model is loaded, and which",
    )
    for path, get, handler in (("/health", health, service.health), ("/ready", ready, service.ready)):
        app.head(path, include_in_schema=False)(handler)  # load balancers ask so
        get(handler)
    asked.pop("responses")
    app.get("/metrics", response_class=PlainTextResponse, summary="Figures for Prometheus", **asked)(
        service.metrics_text
    )
    app.get("/openapi.json", summary="The routes, and the bodies that the served model understands", **asked)(
        service.openapi
    )
    app.get("/", response_class=PlainTextResponse, summary="The routes")(_routes)
    return app


class _Service:
    def __init__(
        self, line: Path, settings: Settings, keys: Keys | None, observers: Sequence[Observer]
    ) -> None:
        self._settings, self._keys, self._observers = settings, keys, observers
        self._pool = Pool(settings.threads, settings.queue)
        self._metrics = Metrics(lambda: self._pool.taken)
        for observer in observers:
            self._metrics.registry.register(observer.collector)
        self._live = Live(line, settings, self._metrics.swapped)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as ending:
            ending.callback(self._pool.close)
            ending.callback(self._live.stop)
            await run_in_threadpool(self._live.start)
            for observer in self._observers:
                observer.start()
                ending.callback(observer.stop)
            yield

    async def rank(self, request: Request) -> Response:
        body, answer = await self._ask(request, answer_rank)
        for observer in self._observers:
            observer.answered(request, body, answer)
        return Response(answer, media_type=_JSON)

    async def embed(self, request: Request) -> Response:
        _, answer = await self._ask(request, answer_embed)
        return Response(answer, media_type=_JSON)

    async def health(self) -> Response:
        return PlainTextResponse("ok")

    async def ready(self, request: Request) -> Response:
        """Open to all, since a load balancer asks it; what is served is said to those with a key."""
        if self._keys is not None and not self._keys.admit(request):
            ready = self._live.serving is not None
            status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
            return PlainTextResponse("ready" if ready else "not ready", status)
        serving = self._serving()
        answer = ReadyAnswer(
            model_id=serving.ranker.model_id,
            bundle_id=serving.ranker.bundle_id,
            day=serving.day,
            ads=serving.ranker.ads,
            problem=self._live.problem,
        )
        return Response(answer.model_dump_json(), media_type=_JSON)

    async def metrics_text(self, request: Request) -> Response:
        self._require_key(request)
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        """FastAPI's document of the routes, with the bodies of the model that is served."""
        self._require_key(request)
        app, bodies = request.app, self._serving().bodies
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, schemas = models_json_schema(
            [(bodies.rank, "validation"), (bodies.embed, "validation")],
            ref_template="#/components/schemas/{model}",
        )
        document["components"]["schemas"] |= schemas["$defs"]
        for path, body in (("/rank", bodies.rank), ("/embed", bodies.embed)):
            schema = {"$ref": f"#/components/schemas/{body.__name__}"}
            content = {"required": True, "content": {_JSON: {"schema": schema}}}
            document["paths"][path]["post"]["requestBody"] = content
        return JSONResponse(document)

    async def _ask(self, request: Request, answer: Callable[[Serving, bytes], bytes]) -> tuple[bytes, bytes]:
        """The body, and what a thread answers with what is served when the thread begins; counted either way."""
        began = time.perf_counter()
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            self._require_key(request)
            body = await read_body(request, self._settings)
            answered = await self._pool.run(lambda: answer(self._serving(), body), self._settings.timeout_s)
            status = HTTPStatus.OK
        except Refused as refused:
            status = refused.status
            raise
        finally:
            self._metrics.answered(request.url.path, status, time.perf_counter() - began)
        return body, answered

    def _require_key(self, request: Request) -> None:
        """Raise Refused with 401 for a request without a valid key, where keys are set."""
        if self._keys is not None and not self._keys.admit(request):
            words = "a valid key is required: send `Authorization: Bearer KEY` or `X-API-Key: KEY`"
            raise Refused(HTTPStatus.UNAUTHORIZED, words)

    def _serving(self) -> Serving:
        serving = self._live.serving
        if serving is None:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"no model is loaded: {self._live.problem}")
        return serving


async def _routes(request: Request) -> Response:
    """For people who open the service in a browser."""
    routes = [
        route for route in request.app.routes if isinstance(route, APIRoute) and route.include_in_schema
    ]
    lines = [f"{', '.join(sorted(route.methods or ()))} {route.path}: {route.summary}" for route in routes]
    return PlainTextResponse("\n".join(["MTMD ranker; /openapi.json describes the calls", *lines, ""]))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return Response(error.problem.model_dump_json(), error.status, error.headers, _JSON)


async def _other(request: Request, error: Exception) -> Response:
    """Of the framework's own: an unknown path, or another method."""
    assert isinstance(error, HTTPException)
    words = f"{error.detail}: {request.method} {request.url.path[:100]}; see /openapi.json"
    return Response(Problem(error=words).model_dump_json(), error.status_code, error.headers, _JSON)
