"""Routes that hash a password: under too much load they refuse before anything else, and forget who has hung up."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.whole_bodies import read_parts, replaying
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
    """Serve a request, and cancel that when its client hangs up before the answer: its place in the queue is the next one's."""
    parts = await read_parts(receive)
    left = asyncio.ensure_future(_disconnected(receive)) if parts[-1]["type"] == "http.request" else None
    if left is None:
        return
    has_begun = False

    async def watched_send(message: Message) -> None:
        nonlocal has_begun
        has_begun = True
        await send(message)

    serving = asyncio.ensure_future(app(scope, replaying(parts, _nothing_more), watched_send))
    try:
        await asyncio.wait([serving, left], return_when=asyncio.FIRST_COMPLETED)
        if serving.done() or has_begun:
            await serving
    finally:
        left.cancel()
        # What is cancelled still undoes what it has begun; nobody goes on before that is done.
        serving.cancel()
        await asyncio.wait([serving])
        if not serving.cancelled():
            serving.exception()  # Nobody is there to be told.


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing_more() -> Message:
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}
