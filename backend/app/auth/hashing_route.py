"""Routes that hash a password: under too much load they refuse before anything else, and forget who has hung up."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from app.auth.dependencies import get_runtime
from app.auth.passwords.pool import CLIENT_GONE
from app.auth.whole_bodies import read_parts, replaying

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class HashingRoute(APIRoute):
    """Refuses at the door while the queue is full, before a body is read: `APIRouter(route_class=HashingRoute)`.

    A refusal then costs a tenth of what it costs in the middle of a sign-in, and a flood leaves the rest to those who were
    let in; who comes through the door together with others is refused where a place is taken. Who finds others waiting and
    hangs up meanwhile is not hashed for. Raises `HashingBusy`.
    """

    def get_route_handler(self) -> Handler:
        """Return what answers one request."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            hashing = get_runtime(request).hashing
            hashing.check_capacity()
            return await (_watched(handle, request) if hashing.is_waited_for else handle(request))

        return guarded


async def _watched(handle: Handler, request: Request) -> Response:
    """Answer a request, and let the hashing threads know when its client has gone.

    Nothing is cancelled but the waiting: what a database has been asked is answered, and what has begun is finished.
    """
    parts = await read_parts(request.receive)
    gone = asyncio.ensure_future(_disconnected(request.receive))
    token = CLIENT_GONE.set(gone)
    try:
        return await handle(Request(request.scope, replaying(parts, _nothing_more)))
    finally:
        CLIENT_GONE.reset(token)
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing_more() -> Message:
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}
