"""A server that is told to stop answers what is on its way, and lets each connection end with an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.cli.drain import DrainingServer, DrainState
from tests.cli.serving import GET, Client, connected, serving, until


@asynccontextmanager
async def with_clients(port: int, number: int) -> AsyncIterator[list[Client]]:
    """Yield clients that have had one answer each."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(port)) for _ in range(number)]
        for client in clients:
            client.writer.write(GET)
            assert (await client.answer())[0] == 200
        yield clients


async def begin_to_stop(server: DrainingServer) -> None:
    """Tell a server to stop, and return when it has heard."""
    state = server.server_state
    assert isinstance(state, DrainState)
    server.should_exit = True
    await until(lambda: state.is_draining)


async def test_a_request_on_an_idle_connection_is_answered_and_is_the_last() -> None:
    """V16.5.2: closing it at once would reset what its client has just sent."""
    async with serving() as (server, port), with_clients(port, 3) as clients:
        await begin_to_stop(server)
        for client in clients:
            client.writer.write(GET)
            status, head = await client.answer()
            assert (status, b"connection: close" in head.lower()) == (200, True)
            assert await client.is_closed()


async def test_a_new_connection_is_served_until_the_server_stops_listening() -> None:
    async with serving() as (server, port), with_clients(port, 1):
        await begin_to_stop(server)
        async with connected(port) as client:
            client.writer.write(GET)
            assert (await client.answer())[0] == 200
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_connection_that_brings_nothing_more_is_closed() -> None:
    async with serving() as (server, port), with_clients(port, 1) as clients:
        await begin_to_stop(server)
        assert await clients[0].is_closed()


async def test_what_is_to_happen_once_everything_is_made_happens_before_the_first_request() -> None:
    heard: list[str] = []
    async with serving(on_start=lambda: heard.append("started")) as (_, port), with_clients(port, 1):
        assert heard == ["started"]
