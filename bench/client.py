"""A very small HTTP client over asyncio streams: light enough to time others while it runs on the same machine."""

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from bench.processes import HOST

API = "/api/v1"
_AT_ONCE = 16


class UnexpectedAnswer(Exception):
    """The server did not do what the measurement needs."""


def get(path: str, *, token: str | None = None) -> bytes:
    """Return a request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{_authorization(token)}\r\n".encode()


def post_json(path: str, values: dict[str, str], *, token: str | None = None) -> bytes:
    """Return a request whose body is JSON."""
    return _post(path, "application/json", json.dumps(values), token)


def post_form(path: str, form: str, *, headers: str = "") -> bytes:
    """Return a request whose body is a form. `headers` are further lines, each with its end."""
    return _post(path, "application/x-www-form-urlencoded", form, headers=headers)


def login_form(email: str, password: str) -> str:
    """Return the form that a sign-in sends."""
    return urlencode({"username": email, "password": password})


def _post(path: str, media_type: str, body: str, token: str | None = None, *, headers: str = "") -> bytes:
    length = len(body.encode())
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\n{_authorization(token)}{headers}"
    return f"{head}Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}".encode()


def _authorization(token: str | None) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""


class Connection:
    """One kept connection to the server, opened when it is first needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body. Raises `OSError` or `EOFError` when the connection breaks."""
        status, _, body = await self.ask_whole(request)
        return status, body

    async def ask_whole(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Do the same, and return the head of the answer as well, between the two."""
        self._streams = self._streams or await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        return int(head.split(b" ", 2)[1]), head, await reader.readexactly(int(length))

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def answers(port: int, requests: Sequence[bytes]) -> list[Any]:
    """Send requests, a few at once, and return the JSON of each answer in their order.

    Raises `UnexpectedAnswer` for the first that is not a success.
    """
    found: list[Any] = [None] * len(requests)
    todo = iter(enumerate(requests))

    async def work() -> None:
        async with Connection(port) as connection:
            for index, request in todo:
                status, body = await connection.ask(request)
                if not 200 <= status < 300:  # noqa: PLR2004  # What a success is.
                    raise UnexpectedAnswer(f"{request.split(b' HTTP')[0].decode()}: {status} {body.decode()}")
                found[index] = json.loads(body)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return found


async def set_cookies(port: int, requests: Sequence[bytes]) -> list[str]:
    """Send requests one by one, and return for each what a browser would send back: the cookies that it was given.

    Raises `UnexpectedAnswer` for one that sets none.
    """
    found = []
    async with Connection(port) as connection:
        for request in requests:
            status, head, body = await connection.ask_whole(request)
            lines = [line for line in head.decode().split("\r\n") if line.lower().startswith("set-cookie:")]
            if not lines:
                raise UnexpectedAnswer(f"no cookie: {status} {body.decode()}")
            found.append("; ".join(line.partition(":")[2].split(";")[0].strip() for line in lines))
    return found
