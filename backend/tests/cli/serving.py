"""A server of the kind that `ostiary serve` runs, in this process, and clients that speak to it byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from uvicorn import Config

from app.cli.drain import DrainingServer
from app.cli.http_protocol import BoundedHttpProtocol
from app.cli.supervisor import listening_sockets
from tests.journeys.server import free_port

GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PATIENCE = 30.0


async def echo(scope: dict[str, object], receive: object, send: object) -> None:
    """Answer with the length of the body, and name the headers of the request."""
    assert callable(receive)
    assert callable(send)
    body, more = b"", scope["type"] == "http"
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    content = str(len(body)).encode()
    given = scope.get("headers")
    names = b",".join(name for name, _ in given) if isinstance(given, list) else b""
    headers = [(b"content-length", str(len(content)).encode()), (b"x-names", names)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, bytes]:
        """Return status and head of the next answer; 0 when the server has hung up without one."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, b""
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await self.reader.readexactly(length)
        return int(head.split(b" ")[1]), head

    async def is_closed(self) -> bool:
        """Whether the server has hung up."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    """Open a connection for as long as the block lasts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def serving(*, on_start: Callable[[], None] | None = None) -> AsyncIterator[tuple[DrainingServer, int]]:
    """Serve `echo` until the end of the block, at the latest, and yield the server and its port."""
    port = free_port()
    config = Config(echo, http=BoundedHttpProtocol, lifespan="off", log_config=None, ws="none", timeout_keep_alive=60)
    server = DrainingServer(config, on_start=on_start)
    task = asyncio.create_task(server._serve(listening_sockets("127.0.0.1", port, 1)))
    await until(lambda: server.started)
    try:
        yield server, port
    finally:
        server.should_exit = True
        await task


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as something is so."""
    for _ in range(int(PATIENCE * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")
