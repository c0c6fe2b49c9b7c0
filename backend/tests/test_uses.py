"""Notes beside the requests that sessions are used: they delay nobody, fail nobody, and are written all the same."""

import asyncio
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app import uses
from app.config import Settings
from app.models import Session
from app.runtime import Runtime
from tests.accounts import Accounts, Person
from tests.contention import uncommitted
from tests.instances import instance
from tests.rows import find_session, let_time_pass, write
from tests.tokens import session_id_of
from tests.visitors import visiting

A_WHILE = timedelta(minutes=6)
"""Longer than a session goes without being noted."""
HELD = text("UPDATE sessions SET user_agent = 'held'")
"""Takes the lock of every session's row; on SQLite the only one that writers have."""


async def due(accounts: Accounts, runtime: Runtime) -> Person:
    """Return somebody whose next request is to be noted."""
    ada = await accounts.signed_in()
    await let_time_pass(runtime, session_id_of(ada), Session.last_seen_at, by=A_WHILE)
    return ada


async def last_seen(runtime: Runtime, person: Person) -> datetime:
    return (await find_session(runtime, session_id_of(person))).last_seen_at


@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=60)
async def test_a_busy_writer_delays_no_answer(accounts: Accounts, runtime: Runtime) -> None:
    """RV-04, S80: the answer comes while the lock is held; whoever waited for the note would wait for a minute."""
    ada = await due(accounts, runtime)
    before = await last_seen(runtime, ada)
    async with uncommitted(runtime, HELD), asyncio.timeout(30):
        assert (await ada.get("/auth/me")).status_code == 200
        assert (await ada.get(f"/users/{ada.id}")).status_code == 200
        assert await last_seen(runtime, ada) == before
    await runtime.uses.settle()
    assert await last_seen(runtime, ada) > before


async def test_a_note_that_fails_fails_no_request(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """V16.5.2: whatever went wrong; the log says so, and nothing of the note is left."""
    ada = await due(accounts, runtime)
    before = await find_session(runtime, session_id_of(ada))
    await write(runtime, text("DROP TABLE session_events"))
    with capture_logs() as logged:
        async with visiting(app, ada) as abroad:
            assert (await abroad.get("/auth/me")).status_code == 200
        await runtime.uses.settle()
    (failure,) = [line for line in logged if line["event"] == "session.use_not_noted"]
    assert (failure["log_level"], failure["session_id"]) == ("warning", str(session_id_of(ada)))
    after = await find_session(runtime, session_id_of(ada))
    assert (after.last_seen_at, after.last_address) == (before.last_seen_at, before.last_address)


@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=1.5)
async def test_after_a_note_that_failed_the_next_request_tries_again(accounts: Accounts, runtime: Runtime) -> None:
    ada = await due(accounts, runtime)
    before = await last_seen(runtime, ada)
    async with uncommitted(runtime, HELD):
        assert (await ada.get("/auth/me")).status_code == 200
        await runtime.uses.settle()
    assert await last_seen(runtime, ada) == before
    assert (await ada.get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    assert await last_seen(runtime, ada) > before


@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=60)
async def test_one_note_more_than_may_be_under_way_is_left_out(
    accounts: Accounts, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.9-03: a writer that hangs collects no heap of notes; who was left out is noted by another request."""
    monkeypatch.setattr(uses, "MOST_AT_ONCE", 2)
    people = [await due(accounts, runtime) for _ in range(3)]
    before = [await last_seen(runtime, person) for person in people]
    async with uncommitted(runtime, HELD):
        for person in people:
            assert (await person.get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    after = [await last_seen(runtime, person) for person in people]
    assert [new > old for new, old in zip(after, before, strict=True)] == [True, True, False]
    assert (await people[2].get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    assert await last_seen(runtime, people[2]) > before[2]


async def test_a_server_that_stops_writes_what_it_has_begun(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """V16.5.3: before it closes its connections."""
    ada = await due(accounts, runtime)
    before = await last_seen(runtime, ada)
    with capture_logs() as logged:
        async with instance(settings) as second:
            assert (await second.serves(ada).get("/auth/me")).status_code == 200
    assert await last_seen(runtime, ada) > before
    assert [line for line in logged if line["event"] == "session.use_not_noted"] == []


async def test_who_is_refused_is_not_noted(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01: a session that has ended is not seen again."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    await other.post("/auth/logout")
    await let_time_pass(runtime, session_id_of(other), Session.last_seen_at, by=A_WHILE)
    before = await last_seen(runtime, other)
    assert (await other.get("/auth/me")).status_code == 401
    await runtime.uses.settle()
    assert await last_seen(runtime, other) == before
