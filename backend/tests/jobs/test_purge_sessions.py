"""Sessions that have been over for long are deleted with their stories; what somebody may still ask about stays."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import insert

from app.auth.identifiers import new_id
from app.config import Settings
from app.jobs import periodic
from app.jobs.purges import PURGE_SESSIONS
from app.models import Session, SessionEvent
from app.runtime import Runtime
from app.services.sessions.purge import BATCH
from tests.accounts import Accounts, Person
from tests.contention import eventually
from tests.instances import instance
from tests.rows import change_session, count, find_session, write
from tests.statements import recorded_statements
from tests.tokens import session_id_of

KEPT = timedelta(days=90)
A_MINUTE = timedelta(minutes=1)


async def add_sessions(runtime: Runtime, owner: Person, number: int, *, ended: timedelta) -> list[UUID]:
    """Add sessions that were to end so long ago, each with one event. Return their ids."""
    model = await find_session(runtime, session_id_of(owner))
    end = datetime.now(UTC) - ended
    times = {"expires_at": end, "idle_expires_at": end, "ended_at": None, "end_cause": None}
    same = {column.key: getattr(model, column.key) for column in Session.__table__.columns}
    ids = [new_id() for _ in range(number)]
    for some in (ids[i : i + 200] for i in range(0, number, 200)):
        rows = [{**same, **times, "id": session_id} for session_id in some]
        events = [{"id": new_id(), "session_id": each, "kind": "grace_used", "at": end} for each in some]
        await write(runtime, insert(Session).values(rows), insert(SessionEvent).values(events))
    return ids


async def is_there(runtime: Runtime, session_id: UUID) -> bool:
    return await count(runtime, Session, Session.id == session_id) == 1


async def test_what_has_been_over_for_long_goes_with_its_story_and_the_rest_stays(
    accounts: Accounts, runtime: Runtime
) -> None:
    """V14.2.7: to the minute; a session that somebody ended early stays as long as one that lived its whole time."""
    ada = await accounts.signed_in()
    out, early = await ada.sign_in(), await ada.sign_in()
    for session in (out, early):
        await session.post("/auth/logout")
    long_ago = datetime.now(UTC) - timedelta(days=400)
    await change_session(runtime, session_id_of(early), created_at=long_ago, ended_at=long_ago)
    await change_session(runtime, session_id_of(out), expires_at=datetime.now(UTC) - KEPT - A_MINUTE)
    (old,) = await add_sessions(runtime, ada, 1, ended=KEPT + A_MINUTE)
    (young,) = await add_sessions(runtime, ada, 1, ended=KEPT - A_MINUTE)
    await PURGE_SESSIONS.run(runtime)
    for session_id, stays in ((old, False), (session_id_of(out), False), (young, True), (session_id_of(early), True)):
        assert await is_there(runtime, session_id) is stays
        assert await count(runtime, SessionEvent, SessionEvent.session_id == session_id) == int(stays)
    assert (await ada.get("/auth/me")).status_code == 200
    assert (await ada.get(f"/sessions/{young}")).status_code == 200
    assert (await ada.get(f"/sessions/{old}")).status_code == 404


@pytest.mark.settings(SESSION_HISTORY_DAYS=1)
async def test_the_setting_says_for_how_long(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    (old,) = await add_sessions(runtime, ada, 1, ended=timedelta(days=1) + A_MINUTE)
    (young,) = await add_sessions(runtime, ada, 1, ended=timedelta(days=1) - A_MINUTE)
    await PURGE_SESSIONS.run(runtime)
    assert (await is_there(runtime, old), await is_there(runtime, young)) == (False, True)


async def test_many_go_batch_by_batch(accounts: Accounts, runtime: Runtime) -> None:
    """No transaction lasts long: a full batch is followed by another, a smaller one is the last."""
    ada = await accounts.signed_in()
    await add_sessions(runtime, ada, 2 * BATCH + 1, ended=KEPT + A_MINUTE)
    with recorded_statements(runtime) as seen:
        await PURGE_SESSIONS.run(runtime)
    assert sum(statement.startswith("DELETE FROM sessions") for statement in seen) == 3
    assert await count(runtime, Session) == 1
    assert await count(runtime, SessionEvent) == 0


async def test_two_workers_at_once_do_it_once(accounts: Accounts, runtime: Runtime, settings: Settings) -> None:
    """V15.4.1: neither fails, and nothing else goes."""
    ada = await accounts.signed_in()
    async with instance(settings) as second:
        await add_sessions(runtime, ada, BATCH + 10, ended=KEPT + A_MINUTE)
        await asyncio.gather(*(PURGE_SESSIONS.run(worker) for worker in (runtime, second.runtime) * 2))
    assert await count(runtime, Session) == 1
    assert (await ada.get("/auth/me")).status_code == 200


async def test_a_server_does_so_soon_after_it_started(
    accounts: Accounts, runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one of the server's own jobs."""
    monkeypatch.setattr(periodic, "SETTLING_SECONDS", 0.0)
    ada = await accounts.signed_in()
    (old,) = await add_sessions(runtime, ada, 1, ended=KEPT + A_MINUTE)
    async with instance(settings):
        await eventually(partial(is_there, runtime, old), False)
