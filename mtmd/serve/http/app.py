"""The HTTP service: routes, and what becomes of a request that can't be answered."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mtmd.serve.http.answers import ReadyAnswer, answer_embed, answer_rank
from mtmd.serve.http.candidate import ShadowSettings
from mtmd.serve.http.docs import render_docs
from mtmd.serve.http.framing import OneLength
from mtmd.serve.http.intake import Problem, Refused, Settings, asks_candidate, read_body
from mtmd.serve.http.keys import Keys, require_key
from mtmd.serve.http.live import Live, Serving
from mtmd.serve.http.metrics import Metrics
from mtmd.serve.http.openapi import openapi
from mtmd.serve.http.pool import Pool
from mtmd.serve.http.shadow import Shadow
from mtmd.serve.laps import Lap, Laps

_JSON = "application/json"
# what is left of the body stays unread
_CLOSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}

Answer = Callable[[Serving, bytes, Lap], bytes]
Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    line: Path, settings: Settings, keys: Keys | None = None, shadow: ShadowSettings | None = None
) -> Starlette:
    """The service of a line of models, such as artifacts/demo; its champion is followed while it runs.

    With keys, all that a request without one learns is whether the process answers, and whether it is ready.
    """
    service = _Service(line, settings, keys, shadow)
    guarded = service.guarded
    routes = [
        Route(
            "/rank",
            service.timed("/rank", guarded(partial(service.ask, "/rank", answer_rank))),
            methods=["POST"],
        ),
        Route(
            "/embed",
            service.timed("/embed", guarded(partial(service.ask, "/embed", answer_embed))),
            methods=["POST"],
        ),
        Route("/health", service.health),
        Route("/ready", service.ready),
        Route("/metrics", guarded(service.metrics_text)),
        Route("/openapi.json", guarded(service.openapi)),
        Route("/docs", guarded(service.docs)),
        Route("/", service.root),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(OneLength)],
        lifespan=service.lifespan,
        exception_handlers={Refused: _refused, HTTPException: _other},
    )


class _Service:
    def __init__(
        self, line: Path, settings: Settings, keys: Keys | None, shadow: ShadowSettings | None
    ) -> None:
        self._settings, self._keys = settings, keys
        self._pool = Pool(settings.threads, settings.queue)
        self._metrics = Metrics(lambda: self._pool.taken)
        self._live = Live(line, settings, self._metrics.swapped)
        count = self._metrics.shadowed
        self._shadow = None if shadow is None else Shadow(line, settings, shadow, count)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(self._live.start)
        if self._shadow is not None:
            self._shadow.start()
        try:
            yield
        finally:
            if self._shadow is not None:
                self._shadow.stop()
            self._live.stop()
            self._pool.close()

    def guarded(self, handler: Handler) -> Handler:
        """The handler, for requests with a valid key, where keys are set."""

        async def admitted(request: Request) -> Response:
            require_key(self._keys, request)
            return await handler(request)

        return admitted

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

    async def ask(self, path: str, answer: Answer, request: Request) -> Response:
        """Read the body, and have a thread answer it with what is served when the thread begins."""
        laps = Laps()
        candidate = path == "/rank" and asks_candidate(request)
        body = await read_body(request, self._settings)
        laps("read")

        def work() -> bytes:
            laps("wait")
            return answer(self._serving(), body, laps)

        content = await self._pool.run(work, self._settings.timeout_s)
        laps("hand_back")
        self._metrics.took(path, laps.seconds)
        if path == "/rank" and self._shadow is not None:
            self._shadow.offer(candidate, body, content)
        elif candidate:
            self._metrics.shadowed("off")
        return Response(content, media_type=_JSON)

    async def health(self, _: Request) -> Response:
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

    async def metrics_text(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(self._document(self._serving()))

    async def docs(self, request: Request) -> Response:
        serving = self._serving()
        page, headers = render_docs(self._document(serving), serving.ranker.model_id, str(request.base_url))
        return HTMLResponse(page, headers=headers)

    async def root(self, _: Request) -> Response:
        """For people who open the service in a browser; the address stays right behind a proxy's prefix."""
        return RedirectResponse("docs")

    def _document(self, serving: Serving) -> dict[str, Any]:
        return openapi(serving, keys=self._keys is not None)

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
    problem = Problem(error=f"{error.detail}: {request.method} {request.url.path[:100]}; see /docs")
    return Response(
        problem.model_dump_json(), status_code=error.status_code, media_type=_JSON, headers=error.headers
    )
