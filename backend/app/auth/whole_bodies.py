"""Reads a body ahead of whoever will read it, and gives it again. An earlier layer keeps bodies from being large."""

from collections.abc import Sequence

from starlette.types import Message, Receive


async def read_parts(receive: Receive) -> list[Message]:
    """Return the messages of a body. The last one is no `http.request` when the client has hung up before its end."""
    parts = [await receive()]
    while parts[-1]["type"] == "http.request" and parts[-1].get("more_body", False):
        parts.append(await receive())
    return parts


def replaying(parts: Sequence[Message], receive: Receive) -> Receive:
    """Return what gives the messages again that were read, and then what follows."""
    waiting = iter(parts)

    async def replay() -> Message:
        part = next(waiting, None)
        return part if part is not None else await receive()

    return replay
