"""The HTTP service: routes, and what becomes of a request that can't be answered."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mtmd.serve.http.answers import ReadyAnswer, answer_embed, answer_rank
from mtmd.serve.http.framing import OneLength
from mtmd.serve.http.intake import Problem, Refused, Settings, read_body
from mtmd.serve.http.live import Live, Serving
from mtmd.serve.http.metrics import Metrics
from mtmd.serve.http.openapi import openapi
from mtmd.serve.http.pool import Pool

_JSON = "application/json"
_CLOSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}  # what is left of the body stays unread

Answer = Callable[[Serving, bytes], bytes]
Handler = Callable[[Request], Awaitable[Response]]


def create_app(line: Path, settings: Settings) -> Starlette:
    """The service of a line of models, such as artifacts/demo; its champion is followed while it runs."""
    service = _Service(line, settings)
    routes = [
        Route("/rank", service.timed("/rank", partial(service.ask, answer_rank)), methods=["POST"]),
        Route("/embed", service.timed("/embed", partial(service.ask, answer_embed)), methods=["POST"]),
        Route("/health", service.health),
        Route("/ready", service.ready),
        Route("/metrics", service.metrics_text),
        Route("/openapi.json", service.openapi),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(OneLength)],
        lifespan=service.lifespan,
        exception_handlers={Refused: _refused, HTTPException: _other},
    )


class _Service:
    def __init__(self, line: Path, settings: Settings) -> None:
        self._settings = settings
        self._pool = Pool(settings.threads, settings.queue)
        self._metrics = Metrics(lambda: self._pool.taken)
        self._live = Live(line, settings, self._metrics.swapped)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._live.refresh()
        self._live.start()
        try:
            yield
        finally:
            self._live.stop()
            self._pool.close()

    def timed(self, path: str, handler: Handler) -> Handler:
        """The handler, whose answers and refusals are counted."""

        async def counted(request: Request) -> Response:
            began = time.perf_counter()
            status: int = HTTPStatus.INTERNAL_SERVER_ERROR
            try:
                response = await handler(request)
                status = response.status_code
            except Refused as refused:
                status = refused.status
                raise
            finally:
                self._metrics.answered(path, status, time.perf_counter() - began)
            return response

        return counted

    async def ask(self, answer: Answer, request: Request) -> Response:
        """Read the body, and have a thread answer it with what is served when the thread begins."""
        body = await read_body(request, self._settings)
        content = await self._pool.run(lambda: answer(self._serving(), body), self._settings.timeout_s)
        return Response(content, media_type=_JSON)

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        serving = self._serving()
        answer = ReadyAnswer(
            model_id=serving.ranker.model_id,
            bundle_id=serving.ranker.bundle_id,
            day=serving.day,
            ads=serving.ranker.ads,
            problem=self._live.problem,
        )
        return Response(answer.model_dump_json(), media_type=_JSON)

    async def metrics_text(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(openapi(self._serving()))

    def _serving(self) -> Serving:
        serving = self._live.serving
        if serving is None:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"no model is loaded: {self._live.problem}")
        return serving


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = error.headers | ({"connection": "close"} if error.status in _CLOSING else {})
    content = error.problem.model_dump_json()
    return Response(content, status_code=error.status, media_type=_JSON, headers=headers)


async def _other(request: Request, error: Exception) -> Response:
    """Of the framework's own: an unknown path, or another method."""
    assert isinstance(error, HTTPException)
    problem = Problem(error=f"{error.detail}: {request.method} {request.url.path[:100]}; see /openapi.json")
    return Response(
        problem.model_dump_json(), status_code=error.status_code, media_type=_JSON, headers=error.headers
    )
