"""Speaks ASGI to the application without a client in between: no header is mended, no path is tidied."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI

Message = MutableMapping[str, Any]
Watch = Callable[[Message], Awaitable[None]]
HOST = ("Host", "127.0.0.1:8000")


@dataclass(frozen=True)
class Answer:
    """What the application sent, header by header."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the value of a header that must not come twice, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


async def ask(
    app: FastAPI,
    target: str,
    *,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (HOST,),
    body: Sequence[bytes] = (b"",),
    watch: Watch | None = None,
) -> Answer:
    """Send one request, its body in the given pieces, and return the answer.

    `watch` is awaited with every message before it counts as sent.
    """
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        # Servers hand header names over in lower case, and leave values as the bytes they are.
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    chunks = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]
    chunks[-1]["more_body"] = False
    waiting = iter(chunks)
    sent: list[Message] = []

    async def receive() -> Message:
        chunk = next(waiting, None)
        if chunk is None:
            await asyncio.Event().wait()  # The client stays connected until it has its answer.
        return chunk or {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if watch is not None:
            await watch(message)
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    return Answer(
        status=start["status"],
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]],
        body=b"".join(message.get("body", b"") for message in rest),
    )
