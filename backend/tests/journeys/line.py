"""A kept-alive connection that asks thousands of times at little cost, so that the servers are what is busy."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.accounts import API


@dataclass(frozen=True)
class Answer:
    """What came back. The content is None where there is no body."""

    status: int
    headers: dict[str, str]
    content: Any


class Line:
    """Asks for paths below the API prefix, one after another, with an access token. Every body must be JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    async def ask(self, method: str, path: str, token: str) -> Answer:
        """Send a request and return its answer."""
        head = f"{method} {API}{path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {token}\r\n"
        self._writer.write(f"{head}Content-Length: 0\r\n\r\n".encode())
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split()[1]), headers, json.loads(body) if body else None)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Line]:
    """Connect to a server; the connection closes with the block."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Line(reader, writer, parts.netloc)
    finally:
        writer.close()
        await writer.wait_closed()
