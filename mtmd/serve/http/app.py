"""The HTTP service: its routes, its OpenAPI document and its figures."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI, HTTPException
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector
from pydantic import ValidationError
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mtmd.errors import LogsError
from mtmd.serve.http import answers
from mtmd.serve.http.intake import Pool, Settings, read_body, unavailable
from mtmd.serve.http.live import Live, Serving

_JSON = "application/json"
_SHOWN = 5  # of the things that are wrong with a body
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
    )
    app.post("/rank", response_model=answers.RankAnswer)(service.rank)
    app.post("/embed", response_model=answers.EmbedAnswer)(service.embed)
    app.get("/ready")(service.ready)
    app.get("/health")(service.health)
    app.get("/metrics")(service.metrics)
    app.get("/openapi.json")(service.openapi)
    return app


class Metrics:
    """What /metrics shows; each service has a registry of its own."""

    def __init__(self) -> None:
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
        self.in_flight = Gauge("mtmd_in_flight", "Calls that wait or are answered", registry=registry)

    def swapped(self, serving: Serving) -> None:
        """A model or its ads took over."""
        self._swaps.inc()
        self._serving.clear()
        for one in serving.every.values():
            self._serving.labels(one.ranker.model_id, one.ranker.bundle_id, one.day.isoformat()).set(1)
        self._ads.set(len(serving.ranker.ads))


class _Service:
    def __init__(self, line: Path, settings: Settings, observers: Sequence[Observer]) -> None:
        self._settings, self._observers = settings, observers
        self._metrics = Metrics()
        self._pool = Pool(settings.threads, settings.queue, self._metrics.in_flight)
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
        """The best published ads of each request."""
        body, answer = await self._ask(request, answers.answer_rank)
        for observer in self._observers:
            observer.answered(request, body, answer)
        return Response(answer, media_type=_JSON)

    async def embed(self, request: Request) -> Response:
        """Query embeddings of each request."""
        _, answer = await self._ask(request, answers.answer_embed)
        return Response(answer, media_type=_JSON)

    async def health(self) -> Response:
        """That the process answers."""
        return PlainTextResponse("ok")

    async def ready(self) -> answers.ReadyAnswer:
        """Which model is loaded."""
        serving = self._serving()
        return answers.ReadyAnswer(
            model_id=serving.ranker.model_id,
            bundle_id=serving.ranker.bundle_id,
            day=serving.day,
            ads=len(serving.ranker.ads),
            rollout=serving.rollout and serving.rollout.answers,
            problem=self._live.problem,
        )

    async def metrics(self) -> Response:
        """Figures for Prometheus."""
        text = generate_latest(self._metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        """The routes, and the bodies that the served model understands."""
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

    async def _ask(self, request: Request, answer: answers.Answer) -> tuple[bytes, bytes]:
        """The body, and what a thread answers with what is served when the thread begins; counted either way."""
        began = time.perf_counter()
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            body = await read_body(request, self._settings)
            answered = await self._pool.run(lambda: self._answer(answer, body), self._settings.timeout_s)
            status = HTTPStatus.OK
        except HTTPException as refused:
            status = refused.status_code
            raise
        finally:
            self._metrics.latency.labels(request.url.path, status).observe(time.perf_counter() - began)
        return body, answered

    def _answer(self, answer: answers.Answer, body: bytes) -> bytes:
        """Raises HTTPException with 422 for what the served model does not understand, as FastAPI says it."""
        try:
            return answers.answer_users(answer, self._serving(), body)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False, include_input=False)
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, wrong[:_SHOWN]) from error
        except LogsError as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error

    def _serving(self) -> Serving:
        serving = self._live.serving
        if serving is None:
            raise unavailable(f"no model is loaded: {self._live.problem}")
        return serving
