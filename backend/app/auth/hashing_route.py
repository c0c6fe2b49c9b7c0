"""Routes that hash a password: under too much load they refuse before anything else, and forget who has hung up."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runtime import Runtime


class HashingRoute(APIRoute):
    """Refuses what could not be hashed in time, before its body is read: `APIRouter(route_class=HashingRoute)`.

    A refusal then costs a tenth of what it costs in the middle of a sign-in, and a flood leaves the rest to those who were
    let in. Raises `HashingBusy`.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        route = self.app

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            runtime: Runtime = scope["app"].state.runtime
            runtime.hashing.check_capacity()
            if runtime.hashing.is_waited_for:
                await _serve_while_connected(route, scope, receive, send)
            else:
                await route(scope, receive, send)

        self.app = serve


async def _serve_while_connected(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request, and cancel that when its client hangs up: its place in the queue is somebody else's then."""
    body = await _whole_body(receive)
    if body is None:
        return
    parts = iter(body)

    async def replay() -> Message:
        part = next(parts, None)
        if part is None:
            await asyncio.Event().wait()
        return part or {"type": "http.disconnect"}

    serving = asyncio.ensure_future(app(scope, replay, send))
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait([serving, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
            return
        await serving
    finally:
        for each in (serving, leaving):
            each.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole_body(receive: Receive) -> list[Message] | None:
    """Return the parts of a body, which an earlier layer keeps from being large. None: the client has hung up."""
    parts: list[Message] = []
    while True:
        part = await receive()
        if part["type"] != "http.request":
            return None
        parts.append(part)
        if not part.get("more_body", False):
            return parts
