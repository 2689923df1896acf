"""The HTTP service: its routes, its OpenAPI document, its figures, and the answers to requests that are refused."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mtmd.serve.http.answers import EmbedAnswer, RankAnswer, ReadyAnswer, answer_embed, answer_rank
from mtmd.serve.http.intake import Pool, Problem, Refused, Settings, read_body
from mtmd.serve.http.live import Live, Serving

_JSON = "application/json"
_REFUSALS = {
    400: "Not HTTP's or JSON's grammar",
    408: "Too slow",
    413: "Too large",
    422: "JSON, but not a body that the bundle understands",
    503: "No model is loaded, or too many calls wait; Retry-After says when to come back",
}
_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Observer(Protocol):
    """Sees the calls of /rank after they were answered; an extra's module `observer` makes one."""

    collector: Collector  # its figures on /metrics

    def start(self) -> None:
        """The service starts."""

    def stop(self) -> None:
        """The service ends."""

    def answered(self, request: Request, body: bytes, answer: bytes) -> None:
        """One call was answered; takes microseconds, and never raises."""


def create_app(line: Path, settings: Settings, observers: Sequence[Observer] = ()) -> FastAPI:
    """The service of a line of models, such as artifacts/demo; its champion is followed while it runs."""
    service = _Service(line, settings, observers)
    app = FastAPI(
        title="MTMD ranker",
        version="1",
        openapi_url=None,  # the served model decides what a body is: see `_Service.openapi`
        lifespan=service.lifespan,
        exception_handlers={Refused: _refused, HTTPException: _other},
    )
    refusals: Any = {status: {"model": Problem, "description": words} for status, words in _REFUSALS.items()}
    posts = {
        "/rank": (service.rank, RankAnswer, "The best published ads of each request"),
        "/embed": (service.embed, EmbedAnswer, "Query embeddings of each request"),
    }
    for path, (handler, model, summary) in posts.items():
        app.post(path, response_model=model, responses=refusals, summary=summary)(handler)
    gets: dict[str, tuple[Callable[..., Any], Any, str]] = {
        "/health": (service.health, None, "Whether the process answers"),
        "/ready": (service.ready, ReadyAnswer, "Whether a model is loaded, and which"),
        "/metrics": (service.figures, None, "Figures for Prometheus"),
        "/openapi.json": (
            service.openapi,
            None,
            "The routes, and the bodies that the served model understands",
        ),
    }
    for path, (get, shape, summary) in gets.items():
        app.head(path, include_in_schema=False)(get)  # load balancers ask so
        app.get(path, response_model=shape, summary=summary)(get)
    return app


class Metrics:
    """What /metrics shows; each service has a registry of its own."""

    def __init__(self, in_flight: Callable[[], float]) -> None:
        registry = self.registry = CollectorRegistry()
        what = "From a request's head to its answer"
        self.latency = Histogram(
            "mtmd_request_seconds", what, ["path", "status"], buckets=_SECONDS, registry=registry
        )
        self._swaps = Counter("mtmd_swaps", "Times that a model or its ads took over", registry=registry)
        self._serving = Gauge(
            "mtmd_serving_info", "What is served", ["model_id", "bundle_id", "day"], registry=registry
        )
        self._ads = Gauge("mtmd_published_ads", "Ads that are ranked", registry=registry)
        waiting = Gauge("mtmd_in_flight", "Calls that wait or are answered", registry=registry)
        waiting.set_function(in_flight)

    def swapped(self, serving: Serving) -> None:
        """A model or its ads took over."""
        ranker = serving.ranker
        self._swaps.inc()
        self._serving.clear()
        self._serving.labels(ranker.model_id, ranker.bundle_id, serving.day.isoformat()).set(1)
        self._ads.set(len(ranker.ads))


class _Service:
    def __init__(self, line: Path, settings: Settings, observers: Sequence[Observer]) -> None:
        self._settings, self._observers = settings, observers
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

    async def ready(self) -> Response:
        serving = self._serving()
        answer = ReadyAnswer(
            model_id=serving.ranker.model_id,
            bundle_id=serving.ranker.bundle_id,
            day=serving.day,
            ads=len(serving.ranker.ads),
            problem=self._live.problem,
        )
        return Response(answer.model_dump_json(), media_type=_JSON)

    async def figures(self) -> Response:
        text = generate_latest(self._metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        """FastAPI's document of the routes, with the bodies of the model that is served."""
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
            body = await read_body(request, self._settings)
            answered = await self._pool.run(lambda: answer(self._serving(), body), self._settings.timeout_s)
            status = HTTPStatus.OK
        except Refused as refused:
            status = refused.status
            raise
        finally:
            self._metrics.latency.labels(request.url.path, status).observe(time.perf_counter() - began)
        return body, answered

    def _serving(self) -> Serving:
        serving = self._live.serving
        if serving is None:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"no model is loaded: {self._live.problem}")
        return serving


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return Response(error.problem.model_dump_json(), error.status, error.headers, _JSON)


async def _other(request: Request, error: Exception) -> Response:
    """Of the framework's own: an unknown path, or another method."""
    assert isinstance(error, HTTPException)
    words = f"{error.detail}: {request.method} {request.url.path[:100]}; see /openapi.json"
    return Response(Problem(error=words).model_dump_json(), error.status_code, error.headers, _JSON)
