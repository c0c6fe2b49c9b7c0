"""What becomes of sign-ins under too much load: who is refused, when, and what a client leaves behind that hangs up."""

import asyncio
import gc
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import select, update

from app.auth.passwords.hashing import PasswordHasher
from app.exceptions import HashingBusy
from app.models import User
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.contention import hashing_held, queued_for_hashing
from tests.rows import living_sessions, write
from tests.statements import recorded_statements

LOGIN = f"{API}/auth/login"


class Client:
    """One that sends a sign-in over ASGI, and may hang up before it has an answer."""

    def __init__(self, app: FastAPI, person: Person) -> None:
        self.body = urlencode({"username": person.email, "password": person.password}).encode()
        self.sent: list[int] = []
        self._app = app
        self.is_read = False
        self._left = asyncio.Event()
        self.asked = asyncio.Event()
        """That the server waits for more."""

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
        if not self.is_read:
            self.is_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        self.asked.set()
        await self._left.wait()
        return {"type": "http.disconnect"}

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
    assert not client.is_read


@pytest.mark.settings(HASHING_QUEUE=0)
async def test_of_those_who_come_at_once_only_those_are_looked_up_who_have_a_place(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """PW-12: a place is taken before the database is asked, and not when there is something to hash. Limits are off here."""
    ada = await accounts.register()
    clients = [Client(app, ada) for _ in range(10)]
    with recorded_statements(runtime) as statements:
        await asyncio.gather(*(client.sign_in() for client in clients))
    assert sorted(client.sent for client in clients) == [[200], *[[503]] * 9]
    assert sum("users.email_normal =" in each for each in statements) == 1, statements
    again = Client(app, ada)
    await again.sign_in()
    assert again.sent == [200]


@pytest.mark.settings(HASHING_QUEUE=0)
async def test_a_body_that_does_not_come_holds_no_place(app: FastAPI, accounts: Accounts) -> None:
    """PW-12: else a few hundred silent connections would keep everybody out."""
    ada = await accounts.register()
    silent = Client(app, ada)
    silent.body = b""
    silent.is_read = True
    waiting = asyncio.create_task(silent.sign_in())
    await silent.asked.wait()
    served = Client(app, ada)
    await served.sign_in()
    assert served.sent == [200]
    silent.hang_up()
    await waiting
    assert silent.sent == [400]


async def test_nothing_is_left_behind_for_the_garbage_collector(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """Circles for each sign-in would be thousands of objects, which are looked through while nobody is served."""
    ada = await accounts.register()

    async def visit() -> None:
        async with hashing_held(runtime):
            waiting = await queued_for_hashing(runtime, Client(app, ada).sign_in())
        await waiting
        half = Client(app, ada)
        half.is_read = True
        half.hang_up()
        await half.sign_in()
        assert half.sent == [400]

    await visit()
    gc.collect()
    gc.disable()
    try:
        await visit()
        await asyncio.sleep(0)
        kinds = Request, HTTPException
        left = [each for each in gc.get_objects() if isinstance(each, kinds)]
    finally:
        gc.enable()
    assert left == []


async def test_a_right_password_with_an_old_hash_comes_in_although_there_is_no_time_for_a_new_one(
    app: FastAPI, accounts: Accounts, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PW-11, PW-12: the next sign-in moves it up."""
    ada = await accounts.register()
    old = PasswordHasher(memory_kib=16, iterations=1).hash(ada.password)
    await write(runtime, update(User).where(User.id == UUID(ada.id)).values(password_hash=old))

    async def busy(_: str) -> str:
        raise HashingBusy

    with monkeypatch.context() as patched:
        patched.setattr(runtime.hashing, "hash", busy)
        hurried = Client(app, ada)
        await hurried.sign_in()
    assert hurried.sent == [200]
    assert await password_hash_of(runtime, ada) == old
    calm = Client(app, ada)
    await calm.sign_in()
    assert calm.sent == [200]
    assert await password_hash_of(runtime, ada) != old


async def password_hash_of(runtime: Runtime, person: Person) -> str:
    row = await runtime.database.read.first(select(User.password_hash).where(User.id == UUID(person.id)))
    assert row is not None
    return str(row[0])
