"""One way to say where a request ends: whoever says it twice may mean two different ends."""

from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mtmd.serve.http.intake import Problem

_BOTH = {b"content-length", b"transfer-encoding"}


class OneLength:
    """Answers 400, and closes, when a request has both a content-length and a transfer-encoding (RFC 9112, 6.3).

    A proxy that goes by the one, before a service that goes by the other, would take a part of one client's request for
    the beginning of another's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or not {name for name, _ in scope["headers"]} >= _BOTH:
            await self._app(scope, receive, send)
            return
        problem = Problem(error="the request has both content-length and transfer-encoding; send one of them")
        refusal = Response(
            problem.model_dump_json(),
            status_code=HTTPStatus.BAD_REQUEST,
            media_type="application/json",
            headers={"connection": "close"},
        )
        await refusal(scope, receive, send)
