"""How much head a client may send, and how long a request may take: what is slow, endless or idle ends, what is whole does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from app.cli import http_protocol
from app.cli.http_protocol import MAXIMUM_HEAD_BYTES
from tests.cli.serving import GET, connected, serving


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server for which half a second is long."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.5)
    async with serving() as (_, port):
        yield port


async def test_a_head_that_does_not_end_in_time_is_refused(port: int) -> None:
    """S80: also one of which nothing comes at all."""
    async with connected(port) as slow, connected(port) as silent:
        slow.writer.write(GET[:20])
        assert (await slow.answer())[0] == 408
        assert (await silent.answer())[0] == 408
        assert await slow.is_closed()


async def test_a_body_that_does_not_end_in_time_is_refused(port: int) -> None:
    """S80"""
    async with connected(port) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nfive!")
        assert (await client.answer())[0] == 408


async def test_a_head_without_an_end_is_refused_however_it_is_cut(port: int) -> None:
    """S80: sixty megabytes of one header once held a worker for six seconds."""
    async with connected(port) as client:
        client.writer.write(GET[:-2] + b"X: ")
        for _ in range(20):
            with suppress(RuntimeError):  # The server has hung up meanwhile.
                client.writer.write(b"a" * (MAXIMUM_HEAD_BYTES // 10))
            await asyncio.sleep(0.005)
        # The answer may be lost to a client that goes on sending; the connection ends either way.
        assert (await client.answer())[0] in {431, 0}
        assert await client.is_closed()


async def test_a_second_request_has_its_own_time(port: int) -> None:
    async with connected(port) as client:
        for _ in range(3):
            await asyncio.sleep(0.3)
            client.writer.write(GET)
            assert (await client.answer())[0] == 200


async def test_a_connection_may_stay_idle_between_requests(port: int) -> None:
    """The time of a head begins with its first byte."""
    async with connected(port) as client:
        client.writer.write(GET)
        assert (await client.answer())[0] == 200
        await asyncio.sleep(0.8)
        client.writer.write(GET)
        assert (await client.answer())[0] == 200


async def test_what_comes_after_an_answer_must_become_a_request_in_time(port: int) -> None:
    """S80: bytes that are no request keep no connection."""
    async with connected(port) as client:
        client.writer.write(GET)
        assert (await client.answer())[0] == 200
        client.writer.write(b"GET / HT")
        assert (await client.answer())[0] == 408


async def test_a_body_may_come_in_pieces(port: int) -> None:
    async with connected(port) as client:
        client.writer.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n")
        for piece in (b"five!", b"fives"):
            await asyncio.sleep(0.1)
            client.writer.write(piece)
        assert (await client.answer())[0] == 200


async def test_what_comes_behind_a_body_is_no_header(port: int) -> None:
    """S80: a proxy has looked at the head alone; a trailer could name another client address, or bring a credential."""
    async with connected(port) as client:
        client.writer.write(
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nhi\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: Bearer x\r\n\r\n"
        )
        status, head = await client.answer()
        assert status == 200
        assert b"x-names: host,transfer-encoding\r\n" in head
