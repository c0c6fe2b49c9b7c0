"""A server of two workers is stopped, and its workers are replaced, under load: every request that was sent is answered."""

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.serving import until
from tests.journeys.server import Server, open_files, running

CLIENTS = 16
REQUEST = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

pytestmark = pytest.mark.only("sqlite")


@dataclass
class Crowd:
    """Clients that keep their connections, and ask again as soon as they have an answer."""

    port: int
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    stop: bool = False

    async def ask(self) -> None:
        """Ask until the server takes no connection any more, or somebody says stop."""
        while not self.stop:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionError:
                return
            await self._ask_on(reader, writer)
            writer.close()

    async def _ask_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, is_last = 0, False
        while not is_last and not self.stop:
            writer.write(REQUEST)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                # A connection that was never accepted is refused; only then the client knows that nothing was served.
                self.lost += [repr(error)] if number else []
                return
            number, is_last = number + 1, b"connection: close" in head
            self.answered += 1

    async def after(self, number: int) -> None:
        """Return when so many more have been answered."""
        wanted = self.answered + number
        await until(lambda: self.answered >= wanted)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path, WORKERS="2") as one:
        yield one


def crowd_at(server: Server) -> tuple[Crowd, list[asyncio.Task[None]]]:
    crowd = Crowd(int(server.url.rpartition(":")[2]))
    return crowd, [asyncio.create_task(crowd.ask()) for _ in range(CLIENTS)]


async def test_a_server_that_is_stopped_under_load_answers_every_request(server: Server) -> None:
    """V16.5.2: on connections that are kept, no request is lost to SIGTERM."""
    crowd, asking = crowd_at(server)
    await crowd.after(500)
    server.process.send_signal(signal.SIGTERM)
    await asyncio.gather(*asking)
    assert crowd.lost == []


async def test_workers_that_are_replaced_under_load_cost_no_request(server: Server) -> None:
    """V16.5.2: SIGHUP, as a deployment of new settings sends it."""
    before = server.wait_for_workers(2)
    crowd, asking = crowd_at(server)
    await crowd.after(500)
    server.process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(server.wait_for_workers, 2, without=before)
    await crowd.after(500)
    crowd.stop = True
    await asyncio.gather(*asking)
    assert crowd.lost == []


async def test_both_workers_get_their_share_of_connections(server: Server) -> None:
    """Each has a socket of its own, among which the kernel spreads who connects."""
    workers = server.wait_for_workers(2)
    crowd, asking = crowd_at(server)
    await crowd.after(500)
    connections = [open_files(pid) for pid in workers]
    crowd.stop = True
    await asyncio.gather(*asking)
    assert max(connections) - min(connections) < CLIENTS
