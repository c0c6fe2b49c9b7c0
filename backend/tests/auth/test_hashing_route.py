"""What becomes of sign-ins under too much load: who is refused, when, and what a client leaves behind that hangs up."""

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.contention import hashing_held, queued_for_hashing
from tests.rows import living_sessions

LOGIN = f"{API}/auth/login"


class Client:
    """One that sends a sign-in over ASGI, and may hang up before it has an answer."""

    def __init__(self, app: FastAPI, person: Person) -> None:
        self.body = urlencode({"username": person.email, "password": person.password}).encode()
        self.sent: list[int] = []
        self._app = app
        self._parts = iter([{"type": "http.request", "body": self.body, "more_body": False}])
        self._left = asyncio.Event()

    async def sign_in(self) -> None:
        headers = [(b"host", b"127.0.0.1:8000"), (b"content-length", str(len(self.body)).encode())]
        headers += [(b"content-type", b"application/x-www-form-urlencoded")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": LOGIN,
            "raw_path": LOGIN.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }
        await self._app(scope, self._receive, self._send)

    def hang_up(self) -> None:
        self._left.set()

    async def _receive(self) -> dict[str, object]:
        part = next(self._parts, None)
        if part is None:
            await self._left.wait()
        return part or {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.sent.append(int(str(message["status"])))


async def test_who_hangs_up_while_waiting_gives_the_place_to_the_next(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """PW-12: nothing is hashed for nobody, and nothing is written."""
    ada, grace = await accounts.register(), await accounts.register("grace@example.com")
    async with hashing_held(runtime):
        before = runtime.hashing.computed
        leaving, staying = Client(app, ada), Client(app, grace)
        asking = [await queued_for_hashing(runtime, client.sign_in()) for client in (leaving, staying)]
        leaving.hang_up()
        await asking[0]
    await asking[1]
    # Nobody is there to read the refusal.
    assert (leaving.sent, staying.sent) == ([503], [200])
    assert runtime.hashing.computed == before + 2
    assert runtime.hashing._in_flight == 0
    assert await living_sessions(runtime, ada) == set()


@pytest.mark.settings(HASHING_QUEUE=0)
async def test_a_refusal_under_load_looks_at_nothing(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """PW-12: not even at the body, which therefore cannot be wrong."""
    ada = await accounts.register()
    async with hashing_held(runtime):
        client = Client(app, ada)
        client.body = b"\x00" * len(client.body)
        await client.sign_in()
    assert client.sent == [503]
