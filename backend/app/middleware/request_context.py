"""Gives every request an id, binds it to each log line, and writes one line when the request has been answered."""

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.identifiers import new_id

log = structlog.get_logger()

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{8,64}")
_LONGEST_PATH = 200


class RequestContext:
    """Outermost middleware. A well-formed id that comes along is kept, so that a proxy's log and ours can be joined."""

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under its id."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _ACCEPTED.fullmatch(given) else new_id().hex
        scope["ostiary.request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                if self._access_log and scope["type"] == "http":
                    _write_line(scope, status, time.perf_counter() - began)


def _write_line(scope: Scope, status: int, seconds: float) -> None:
    """Write the access line: never the query, which may hold what should not be kept."""
    client = scope.get("client")
    log.info(
        "request",
        method=scope["method"],
        path=scope["path"][:_LONGEST_PATH],
        status=status,
        milliseconds=round(seconds * 1000, 1),
        client=client[0] if client else None,
    )
