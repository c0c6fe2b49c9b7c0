"""Without a database nobody is told that they are signed out: every route that needs it says "not now"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims
from app.auth.tokens import first_refresh_token
from app.config import Settings
from app.database import Database
from app.exceptions import DatabaseUnavailable
from app.models import Session
from app.runtime import Runtime
from app.services.sessions.issue import Issued
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, problem_of
from tests.conftest import settings_for
from tests.contention import uncommitted
from tests.instances import Instance, instance
from tests.rows import add_users, let_time_pass, write
from tests.tokens import session_id_of

NOBODY_LISTENS = "postgresql://nobody:a-secret@127.0.0.1:1/nothing"

CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/auth/me", None),
    ("GET", "/auth/me/events", None),
    ("GET", "/audit/events", None),
    ("GET", "/audit/events.jsonl", None),
    ("PATCH", "/auth/me", {"full_name": CANARY}),
    ("POST", "/auth/logout", None),
    ("POST", "/auth/logout/all", None),
    ("POST", "/auth/logout/others", None),
    ("POST", "/auth/reauthenticate", {"password": PASSWORD}),
    ("POST", "/auth/me/password", {"current_password": PASSWORD, "new_password": "a brand new passphrase"}),
    ("POST", "/auth/me/delete", {"password": PASSWORD}),
    ("POST", "/auth/me/email", {"email": "new@example.com"}),
    ("POST", "/auth/me/email/confirm", {"token": "x"}),
    ("POST", "/invitations/", {"email": "new@example.com"}),
    ("GET", "/invitations/", None),
    ("DELETE", f"/invitations/{new_id()}", None),
    ("GET", "/users/", None),
    ("GET", f"/users/{new_id()}", None),
    ("PATCH", f"/users/{new_id()}", {"is_active": False}),
    ("GET", f"/users/{new_id()}/sessions", None),
    ("DELETE", f"/users/{new_id()}/sessions", None),
    ("GET", "/sessions/", None),
    ("GET", f"/sessions/{new_id()}", None),
    ("DELETE", f"/sessions/{new_id()}", None),
    ("POST", "/auth/google/link", {"return_to": "/"}),
    ("GET", "/auth/me/identities", None),
    ("DELETE", f"/auth/me/identities/{new_id()}", None),
    ("GET", "/auth/me/factors", None),
    ("POST", "/auth/me/totp", None),
    ("POST", "/auth/me/totp/confirm", {"code": "123456"}),
    ("DELETE", "/auth/me/totp", None),
    ("POST", "/auth/me/recovery-codes", None),
    ("GET", "/auth/me/passkeys", None),
    ("POST", "/auth/me/passkeys/options", None),
    ("POST", "/auth/me/passkeys", {"name": "My phone", "ceremony": "x", "credential": {"id": "x"}}),
    ("PATCH", f"/auth/me/passkeys/{new_id()}", {"name": "My phone"}),
    ("DELETE", f"/auth/me/passkeys/{new_id()}", None),
    ("DELETE", "/auth/me/remembered-devices", None),
    ("DELETE", f"/auth/me/remembered-devices/{new_id()}", None),
    ("POST", "/auth/reauthenticate/passkey/options", None),
    ("POST", f"/users/{new_id()}/factors/reset", {"reason": "The phone is lost"}),
]


@asynccontextmanager
async def without_a_database() -> AsyncIterator[tuple[Instance, Person]]:
    """Yield an instance whose database is away, and somebody with genuine tokens of its own making.

    They are signed with the server secret: a key pair would have to come from the database first.
    """
    async with instance(settings_for(NOBODY_LISTENS, ALGORITHM="HS256")) as alone:
        now, session_id = datetime.now(UTC), new_id()
        claims = AccessClaims(
            subject=new_id(),
            session_id=session_id,
            token_id=new_id().hex,
            issued_at=now,
            expires_at=now + timedelta(minutes=5),
            authenticated_at=now,
            methods=("pwd",),
        )
        signed = await alone.runtime.tokens.sign(Issued(claims=claims, refresh=first_refresh_token(session_id)))
        tokens = {"access_token": signed.access_token, "refresh_token": signed.refresh_token}
        yield alone, Person(alone.http, str(claims.subject), "ada@example.com", PASSWORD, tokens)


async def test_every_guarded_route_says_not_now_and_never_signed_out() -> None:
    """V16.5.2, RV-04, PD-02: a front end that is told 401 would throw the session away."""
    async with without_a_database() as (alone, ada):
        guarded = {
            (method.upper(), path)
            for path, operations in alone.app.openapi()["paths"].items()
            for method, operation in operations.items()
            if operation["x-guard"] != "public"
        }
        assert len(guarded) == len(CALLS), "every guarded route is called below"
        # Some are for pages of our own alone.
        ada.http.headers["Origin"] = alone.runtime.settings.FRONTEND_URL
        for method, path, body in CALLS:
            response = await ada.call(method, path, **({"json": body} if body else {}))
            problem_of(response, 503, "DATABASE_UNAVAILABLE")
            assert response.headers["retry-after"] == "2"
            check_nothing_repeated(response, "127.0.0.1", "a-secret", "asyncpg")


async def test_signing_up_in_and_on_say_not_now() -> None:
    """V16.5.2, RV-04: a good refresh token is not called invalid, nor a good password wrong."""
    async with without_a_database() as (alone, ada):
        form = {"username": ada.email, "password": PASSWORD}
        newcomer = {"email": ada.email, "password": PASSWORD}
        problem_of(await alone.http.post(f"{API}/auth/login", data=form), 503, "DATABASE_UNAVAILABLE")
        problem_of(await alone.http.post(f"{API}/auth/register", json=newcomer), 503, "DATABASE_UNAVAILABLE")
        problem_of(await ada.refresh(), 503, "DATABASE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("", {"method": "totp", "code": "123456"}),
        ("/status", {}),
        ("/passkey/options", {}),
        ("/totp", {}),
        ("/totp/confirm", {"code": "123456"}),
    ],
)
async def test_a_sign_in_that_lacks_a_second_factor_says_not_now(step: str, body: dict[str, str]) -> None:
    """V16.5.2: nobody is told that their sign-in is over."""
    async with without_a_database() as (alone, _):
        answer = await alone.http.post(f"{API}/auth/second-factor{step}", json={"pending": "x", **body})
        problem_of(answer, 503, "DATABASE_UNAVAILABLE")


async def test_what_needs_no_database_to_be_refused_is_refused() -> None:
    """A forged token is a forged token, whatever the database does."""
    async with without_a_database() as (alone, ada):
        problem_of(await alone.http.get(f"{API}/auth/me"), 401, "NOT_AUTHENTICATED")
        forged = {"Authorization": f"Bearer {ada.tokens['access_token'][:-4]}AAAA"}
        problem_of(await alone.http.get(f"{API}/auth/me", headers=forged), 401, "TOKEN_INVALID")
        problem_of(await ada.refresh(f"{ada.tokens['refresh_token'][:-4]}AAAA"), 401, "REFRESH_TOKEN_INVALID")


@pytest.mark.only("postgresql")
async def test_connections_that_the_server_dropped_while_idle_cost_no_request(
    accounts: Accounts, runtime: Runtime
) -> None:
    """V16.5.2: a restart of the database is felt by those alone whose statement it interrupts."""
    ada = await accounts.signed_in()
    database = runtime.database
    async with AsyncExitStack() as opened:
        every = [await opened.enter_async_context(engine.connect()) for engine in _engines(database)]
        drivers = [(await connection.get_raw_connection()).driver_connection for connection in every]
    await _terminate_all_connections(runtime)
    while not all(driver.is_closed() for driver in drivers if driver):  # noqa: ASYNC110  # The driver has no event.
        await asyncio.sleep(0.01)
    assert (await ada.get("/auth/me")).status_code == 200
    assert (await ada.patch("/auth/me", json={"full_name": "Ada"})).status_code == 200
    assert [(await ada.refresh()).status_code for _ in range(5)] == [200] * 5


def _engines(database: Database) -> list[AsyncEngine]:
    """Each pool, as often as it is deep: connecting to all of them at once opens whatever it may hold."""
    return [database.engine] * 4 + [database.identifying] * 2


async def _terminate_all_connections(runtime: Runtime) -> None:
    """Do it as an operator does, on a connection of one's own."""
    connection = await asyncpg.connect(runtime.settings.DATABASE_URL.get_secret_value(), ssl=False)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=1, DATABASE_TIMEOUT_SECONDS=1)
async def test_a_request_that_gets_no_connection_in_time_says_not_now(accounts: Accounts, runtime: Runtime) -> None:
    """S80, V16.5.2: for reading, for writing, and for signing in. Who is calling is asked on a connection of its own."""
    ada = await accounts.signed_in()
    async with uncommitted(runtime, text("SELECT 1")):
        assert (await ada.get("/auth/me")).status_code == 200
        problem_of(await ada.get(f"/users/{ada.id}"), 503, "DATABASE_UNAVAILABLE")
        problem_of(await ada.refresh(), 503, "DATABASE_UNAVAILABLE")
        form = {"username": ada.email, "password": PASSWORD}
        problem_of(await ada.http.post(f"{API}/auth/login", data=form), 503, "DATABASE_UNAVAILABLE")
    assert (await ada.get("/auth/me")).status_code == 200


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=1)
async def test_a_statement_that_waits_too_long_for_a_lock_says_not_now(accounts: Accounts, runtime: Runtime) -> None:
    """S80, 3.8-03: nobody holds a connection for ever."""
    ada = await accounts.signed_in()
    async with uncommitted(runtime, text("UPDATE sessions SET user_agent = 'held'")):
        problem_of(await ada.refresh(), 503, "DATABASE_UNAVAILABLE")
    assert (await ada.refresh()).status_code == 200


@asynccontextmanager
async def read_only(settings: Settings) -> AsyncIterator[Instance]:
    """Start another worker, which may only read the database: a replica, or a full or write-protected disk."""
    url = make_url(settings.DATABASE_URL.get_secret_value())
    if url.get_backend_name() == "sqlite":
        protected = settings.model_copy(
            update={"DATABASE_URL": SecretStr(f"sqlite:///file:{url.database}?mode=ro&uri=true")}
        )
        async with instance(protected) as reader:
            yield reader
        return
    async with instance(settings) as writer:
        statement = text(f'ALTER DATABASE "{url.database}" SET default_transaction_read_only = on')
        await write(writer.runtime, statement)
    async with instance(settings) as reader:
        yield reader


async def test_a_database_that_takes_no_writes_is_still_read(accounts: Accounts, runtime: Runtime) -> None:
    """V16.5.2, RV-04: nobody is signed out, though no use can be noted; what would change something says "not now"."""
    ada = await accounts.signed_in()
    await let_time_pass(runtime, session_id_of(ada), Session.last_seen_at, by=timedelta(minutes=6))
    async with read_only(runtime.settings) as worker:
        there = worker.serves(ada)
        for path in ("/auth/me", f"/users/{ada.id}", "/sessions/", f"/sessions/{session_id_of(ada)}"):
            assert (await there.get(path)).status_code == 200
        await worker.runtime.uses.settle()
        problem_of(await there.refresh(), 503, "DATABASE_UNAVAILABLE")
        problem_of(await there.patch("/auth/me", json={"full_name": "Ada"}), 503, "DATABASE_UNAVAILABLE")
        form = {"username": ada.email, "password": PASSWORD}
        problem_of(await worker.http.post(f"{API}/auth/login", data=form), 503, "DATABASE_UNAVAILABLE")
        assert (await there.get("/auth/me")).status_code == 200
    assert (await ada.get("/auth/me")).status_code == 200


@pytest.mark.only("postgresql")
@pytest.mark.parametrize("state", ["25006", "53100", "53200", "53300"])
async def test_a_server_that_is_full_or_read_only_says_not_now(runtime: Runtime, state: str) -> None:
    """V16.5.2: disk, memory, connections: what passes by itself is not our accident."""
    with pytest.raises(DatabaseUnavailable):
        await write(runtime, text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))


@pytest.mark.only("sqlite")
async def test_a_file_that_cannot_grow_says_not_now(runtime: Runtime) -> None:
    """V16.5.2: as on a full disk."""
    await write(runtime, text("PRAGMA max_page_count = 1"))
    with pytest.raises(DatabaseUnavailable):
        await add_users(runtime, 1000)


@pytest.mark.only("sqlite")
@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=1)
async def test_a_writer_that_waits_too_long_for_its_turn_says_not_now(accounts: Accounts, runtime: Runtime) -> None:
    """S80: while another holds SQLite's only write lock, reading goes on."""
    ada = await accounts.signed_in()
    async with uncommitted(runtime, text("UPDATE sessions SET user_agent = 'held'")):
        problem_of(await ada.refresh(), 503, "DATABASE_UNAVAILABLE")
        assert (await ada.get("/auth/me")).status_code == 200
    assert (await ada.refresh()).status_code == 200


@pytest.mark.only("sqlite")
@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=1)
async def test_a_writer_that_another_process_keeps_waiting_says_not_now(accounts: Accounts, runtime: Runtime) -> None:
    """S80: the lock of the file, not only the queue of this process."""
    ada = await accounts.signed_in()
    async with instance(runtime.settings) as second:
        async with uncommitted(second.runtime, text("UPDATE sessions SET user_agent = 'held'")):
            problem_of(await ada.refresh(), 503, "DATABASE_UNAVAILABLE")
            assert (await ada.get("/auth/me")).status_code == 200
        assert (await ada.refresh()).status_code == 200
