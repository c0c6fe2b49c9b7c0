"""The small HTTP client for servers that answer in chunks and set cookies, as those of others may."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.client import Connection
from bench.processes import HOST

_AT_ONCE = 16
_NO_CONTENT = 204


@dataclass(frozen=True)
class Answer:
    """What a server answered; `cookies` is ready for the header of the next request."""

    status: int
    cookies: str
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return 200 <= self.status < 300  # noqa: PLR2004


class AnyConnection(Connection):
    """One kept connection to any server."""

    async def answer(self, request: bytes) -> Answer:
        """Send a request and return the answer. Raises `OSError` or `EOFError` when the connection breaks."""
        self._streams = self._streams or await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = [
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head.split("\r\n"))
        ]
        status = int(head.split(" ", 2)[1])
        cookies = "; ".join(value.split(";")[0] for name, value in fields if name == "set-cookie")
        return Answer(status, cookies, b"" if status == _NO_CONTENT else await _body(reader, dict(fields)))


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


async def answers(port: int, requests: Sequence[bytes]) -> list[Answer]:
    """Send requests, a few at once, and return the answers in their order."""
    found: dict[int, Answer] = {}
    todo = iter(enumerate(requests))

    async def work() -> None:
        async with AnyConnection(port) as connection:
            for index, request in todo:
                found[index] = await connection.answer(request)

    await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(requests)))))
    return [found[index] for index in range(len(requests))]
