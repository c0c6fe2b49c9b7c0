"""Sessions that time has ended: whoever ends them afterwards makes that final, and time stays the cause."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.database import Work
from app.exceptions import SessionEnded
from app.models import EndCause, Session, SessionEvent, SessionEventKind
from app.runtime import Runtime
from app.services.sessions.end import end_session, end_sessions_of
from app.services.sessions.refresh import refresh_session
from app.services.sessions.use import NOTED_EVERY, note_use
from tests.accounts import CLIENT, Accounts
from tests.answers import problem_of
from tests.contention import waiting_for_a_lock
from tests.cookies import id_of, signed_in
from tests.rows import change_session, count, find_session, let_time_pass
from tests.tokens import session_id_of

EARLIER, LATER = timedelta(days=-2), timedelta(days=-1)
TIMES_UP: dict[str, tuple[Mapping[str, timedelta], str, EndCause]] = {
    "idle": ({"idle_expires_at": LATER}, "idle_expires_at", EndCause.IDLE_TIMEOUT),
    "absolute": ({"expires_at": LATER}, "expires_at", EndCause.ABSOLUTE_TIMEOUT),
    "idle first": (
        {"idle_expires_at": EARLIER, "expires_at": LATER},
        "idle_expires_at",
        EndCause.IDLE_TIMEOUT,
    ),
    "absolute first": (
        {"idle_expires_at": LATER, "expires_at": EARLIER},
        "expires_at",
        EndCause.ABSOLUTE_TIMEOUT,
    ),
    "both at once": ({"idle_expires_at": LATER, "expires_at": LATER}, "expires_at", EndCause.ABSOLUTE_TIMEOUT),
}


async def ended_events(runtime: Runtime, session_id: UUID) -> int:
    where = (SessionEvent.session_id == session_id, SessionEvent.kind == SessionEventKind.ENDED.value)
    return await count(runtime, SessionEvent, *where)


@pytest.mark.parametrize("case", TIMES_UP)
async def test_an_end_after_time_has_ended_a_session_keeps_time_as_its_cause(
    accounts: Accounts, runtime: Runtime, case: str
) -> None:
    """SE-01, OA-13: closed for good, at the time that was up, and told from the row alone."""
    changes, column, cause = TIMES_UP[case]
    ada = await accounts.signed_in()
    session_id, now = session_id_of(ada), datetime.now(UTC)
    await change_session(runtime, session_id, **{name: now + by for name, by in changes.items()})
    problem = problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")
    assert problem["cause"] == cause.value
    async with runtime.database.begin(CLIENT) as work:
        assert not await end_session(work, session_id=session_id, cause=EndCause.LOGOUT)
    row = await find_session(runtime, session_id)
    assert (row.end_cause, row.ended_at) == (cause.value, getattr(row, column))
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == cause.value
    assert await ended_events(runtime, session_id) == 0


async def test_only_those_that_lived_are_counted_and_told(accounts: Accounts, runtime: Runtime) -> None:
    """OA-11: two live, one has idled out, one has ended before."""
    ada = await accounts.signed_in()
    other, idle, ended = await ada.sign_in(), await ada.sign_in(), await ada.sign_in()
    await ended.post("/auth/logout")
    await let_time_pass(runtime, session_id_of(idle), Session.idle_expires_at, by=timedelta(days=8))
    async with runtime.database.begin(CLIENT) as work:
        assert await end_sessions_of(work, user_id=UUID(ada.id), cause=EndCause.LOGOUT_ALL) == 2
        assert await end_sessions_of(work, user_id=UUID(ada.id), cause=EndCause.LOGOUT_ALL) == 0
    sessions = [ada, other, idle, ended]
    rows = [await find_session(runtime, session_id_of(session)) for session in sessions]
    assert [row.end_cause for row in rows] == ["logout_all", "logout_all", "idle_timeout", "logout"]
    assert [await ended_events(runtime, row.id) for row in rows] == [1, 1, 0, 1]


# Whoever began before and comes too late.


@asynccontextmanager
async def overtaken(runtime: Runtime, session_id: UUID) -> AsyncIterator[Work]:
    """Yield a unit of work that began while a session lived; then time ended it, and then somebody ended it."""
    async with runtime.database.begin(CLIENT) as early:
        await change_session(runtime, session_id, idle_expires_at=early.now + timedelta(microseconds=1))
        async with runtime.database.begin(CLIENT) as later:
            assert not await end_session(later, session_id=session_id, cause=EndCause.LOGOUT)
        yield early


async def test_a_refresh_that_began_before_the_end_cannot_prolong_what_was_ended(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-02, SE-01: for its own clock the session still lived; the row says that it does not."""
    ada = await accounts.signed_in()
    presented = runtime.tokens.read_refresh(ada.tokens["refresh_token"])
    with pytest.raises(SessionEnded) as refused:
        async with overtaken(runtime, presented.session_id) as early:
            await refresh_session(early, presented=presented)
    assert refused.value.members["cause"] == "idle_timeout"
    row = await find_session(runtime, presented.session_id)
    assert (row.counter, row.end_cause, row.ended_at) == (0, "idle_timeout", row.idle_expires_at)
    problem_of(await ada.refresh(), 401, "SESSION_ENDED")


async def test_a_note_that_began_before_the_end_cannot_prolong_what_was_ended(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-02, SE-01: a cookie session is the one that notes prolong."""
    browser = await signed_in(await accounts.register())
    session_id = id_of(runtime, browser)
    await let_time_pass(runtime, session_id, Session.last_seen_at, by=NOTED_EVERY)
    before = await find_session(runtime, session_id)
    async with overtaken(runtime, session_id) as early:
        await note_use(early, session_id=session_id)
    row = await find_session(runtime, session_id)
    assert (row.last_seen_at, row.end_cause, row.ended_at) == (before.last_seen_at, "idle_timeout", row.idle_expires_at)
    problem_of(await browser.get("/auth/me"), 401, "SESSION_ENDED")


@pytest.mark.only("postgresql")
async def test_an_end_that_waits_for_a_refresh_ends_what_it_prolonged(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02: the end read the row as idled out, and finds it living when its turn comes."""
    ada = await accounts.signed_in()
    presented = runtime.tokens.read_refresh(ada.tokens["refresh_token"])

    async def end() -> bool:
        async with runtime.database.begin(CLIENT) as work:
            return await end_session(work, session_id=presented.session_id, cause=EndCause.LOGOUT)

    # From elsewhere: a refresh from the address of the sign-in is a transaction of its own, which nobody waits for.
    async with runtime.database.begin(replace(CLIENT, request_id="early", address="203.0.113.9")) as early:
        await change_session(runtime, presented.session_id, idle_expires_at=early.now + timedelta(microseconds=1))
        await refresh_session(early, presented=presented)
        late = await waiting_for_a_lock(runtime, end())
    assert await late
    row = await find_session(runtime, presented.session_id)
    assert (row.counter, row.end_cause) == (1, "logout")
    problem_of(await ada.refresh(), 401, "SESSION_ENDED")
