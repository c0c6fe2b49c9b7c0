"""Who is calling: read afresh at every request, many requests in one statement, and noted now and then."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import Executable, text, update

from app.auth.identifiers import new_id
from app.auth.jwt import AccessClaims
from app.auth.transports import Transport
from app.config import Settings
from app.exceptions import SessionEnded, TokenInvalid
from app.models import Session, SessionEvent, SessionEventKind, User
from app.runtime import Runtime
from app.services.sessions.use import note_use
from tests.accounts import CLIENT, Accounts, Person
from tests.answers import problem_of
from tests.contention import at_once, uncommitted
from tests.instances import instance
from tests.rows import add_role, change_session, change_user, count, find_session, let_time_pass, write
from tests.statements import recorded_statements
from tests.tokens import session_id_of
from tests.visitors import ABROAD, HOME, visiting

A_WHILE = timedelta(minutes=6)
"""Longer than a session goes without being noted."""


async def claims_of(runtime: Runtime, person: Person) -> AccessClaims:
    return await runtime.tokens.read_access(person.tokens["access_token"], now=datetime.now(UTC))


async def let_it_be_noted(runtime: Runtime, person: Person) -> None:
    await let_time_pass(runtime, session_id_of(person), Session.last_seen_at, by=A_WHILE)


async def new_addresses(runtime: Runtime, person: Person) -> list[str | None]:
    """Return the addresses that a session's story calls new."""
    where = (SessionEvent.session_id == session_id_of(person), SessionEvent.kind == SessionEventKind.NEW_ADDRESS.value)
    rows = await runtime.database.read.all(
        SessionEvent.__table__.select().where(*where).order_by(SessionEvent.at, SessionEvent.id)
    )
    return [row.client_address for row in rows]


# How many statements it takes.


async def test_a_guard_costs_one_statement(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    with recorded_statements(runtime) as seen:
        assert (await ada.get("/auth/me")).status_code == 200
    assert len(seen) == 1, seen


async def test_the_guards_of_a_moment_share_a_statement(accounts: Accounts, runtime: Runtime) -> None:
    """Fifty requests of ten sessions, and every one is told of its own."""
    people = [await accounts.signed_in() for _ in range(3)]
    claims = [await claims_of(runtime, person) for person in people] * 20
    with recorded_statements(runtime) as seen:
        now = datetime.now(UTC)
        found = await asyncio.gather(*(runtime.callers.find_by_token(each, now=now) for each in claims))
    assert len(seen) == 1, seen
    assert [caller.user.id for caller in found] == [each.subject for each in claims]
    assert [caller.user.session_id for caller in found] == [each.session_id for each in claims]


async def test_more_guards_than_a_statement_takes_are_all_answered(accounts: Accounts, runtime: Runtime) -> None:
    """Those whose session is not there, too: with as few statements as that takes."""
    ada = await accounts.signed_in()
    claims = await claims_of(runtime, ada)
    strangers = [replace(claims, session_id=new_id()) for _ in range(450)]
    with recorded_statements(runtime) as seen:
        now = datetime.now(UTC)
        calls = (runtime.callers.find_by_token(each, now=now) for each in [claims, *strangers])
        found, *refused = await asyncio.gather(*calls, return_exceptions=True)
    assert not isinstance(found, BaseException)
    assert found.user.id == UUID(ada.id)
    assert {type(refusal) for refusal in refused} == {TokenInvalid}
    assert len(seen) == 3


async def test_requests_at_once_need_few_statements(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    with recorded_statements(runtime) as seen:
        responses = await at_once(50, lambda: ada.get("/auth/me"))
    assert {response.status_code for response in responses} == {200}
    assert len(seen) < 25, len(seen)


# What is seen at once.


async def test_every_change_of_the_account_counts_for_the_very_next_request(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-01, 3.5-02, S37: on every worker, with no message between them."""
    ada = await accounts.signed_in()
    await add_role(runtime, "librarian", "users:read", rank=1)
    async with instance(settings) as second:
        elsewhere = second.serves(ada)
        assert (await elsewhere.get("/users/")).status_code == 403
        await change_user(runtime, ada, role_name="librarian", full_name="Augusta")
        assert (await elsewhere.get("/users/")).status_code == 200
        assert (await elsewhere.get("/auth/me")).json()["full_name"] == "Augusta"
        await change_user(runtime, ada, role_name="user")
        problem_of(await elsewhere.get("/users/"), 403, "PERMISSION_DENIED")
        await change_user(runtime, ada, is_active=False)
        assert problem_of(await elsewhere.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "user_disabled"


@pytest.mark.parametrize(("column", "cause"), [("idle_expires_at", "idle_timeout"), ("expires_at", "absolute_timeout")])
async def test_time_that_is_up_counts_for_the_very_next_request(
    accounts: Accounts, runtime: Runtime, column: str, cause: str
) -> None:
    """3.5-09, SE-01: whatever the access token says of itself."""
    ada = await accounts.signed_in()
    assert (await ada.get("/auth/me")).status_code == 200
    await change_session(runtime, session_id_of(ada), **{column: datetime.now(UTC)})
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == cause


async def test_one_ended_session_among_many_refuses_only_its_own(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01: those who share a statement share no verdict."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    ended, living = await claims_of(runtime, ada), await claims_of(runtime, bob)
    await ada.post("/auth/logout")
    now = datetime.now(UTC)
    calls = (runtime.callers.find_by_token(each, now=now) for each in (ended, living, ended))
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, SessionEnded) and isinstance(third, SessionEnded)  # noqa: PT018
    assert not isinstance(second, BaseException)
    assert second.user.id == UUID(bob.id)


async def test_a_token_is_good_for_its_own_user_alone(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09: subject and session must belong together."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    mixed = replace(await claims_of(runtime, ada), session_id=session_id_of(bob))
    with pytest.raises(TokenInvalid) as refused:
        await runtime.callers.find_by_token(mixed, now=datetime.now(UTC))
    assert not isinstance(refused.value, SessionEnded)


async def test_a_token_for_a_cookie_session_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """What a browser carries in a cookie has no second credential."""
    ada = await accounts.signed_in()
    await change_session(runtime, session_id_of(ada), transport=Transport.COOKIE.value)
    problem_of(await ada.get("/auth/me"), 401, "TOKEN_INVALID")
    problem_of(await ada.refresh(), 401, "REFRESH_TOKEN_INVALID")


# When a session was last seen.


async def test_a_session_is_noted_at_most_once_in_five_minutes(accounts: Accounts, runtime: Runtime) -> None:
    """What its owner sees as last seen costs next to nothing."""
    ada = await accounts.signed_in()
    began = (await find_session(runtime, session_id_of(ada))).last_seen_at
    await ada.get("/auth/me")
    await runtime.uses.settle()
    assert (await find_session(runtime, session_id_of(ada))).last_seen_at == began
    await let_it_be_noted(runtime, ada)
    await ada.get("/auth/me")
    await runtime.uses.settle()
    noted = (await find_session(runtime, session_id_of(ada))).last_seen_at
    assert noted > began
    with recorded_statements(runtime) as seen:
        await ada.get("/auth/me")
        await runtime.uses.settle()
    assert len(seen) == 1
    assert (await find_session(runtime, session_id_of(ada))).last_seen_at == noted


async def test_noting_prolongs_no_session_that_is_refreshed(accounts: Accounts, runtime: Runtime) -> None:
    """SE-01: an access token keeps no session alive that nobody refreshes."""
    ada = await accounts.signed_in()
    before = await find_session(runtime, session_id_of(ada))
    await let_it_be_noted(runtime, ada)
    await ada.get("/auth/me")
    await runtime.uses.settle()
    after = await find_session(runtime, session_id_of(ada))
    assert after.last_seen_at > before.last_seen_at - A_WHILE
    assert (after.idle_expires_at, after.expires_at) == (before.idle_expires_at, before.expires_at)


async def test_of_fifty_requests_at_once_one_notes_the_session(
    app: FastAPI, accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """On one worker it is tried once; on two it is written once."""
    ada = await accounts.signed_in()
    async with instance(settings) as second, visiting(app, ada) as here, visiting(second.app, ada) as there:
        await let_it_be_noted(runtime, ada)
        with recorded_statements(runtime) as seen:
            responses = await asyncio.gather(*(each.get("/auth/me") for each in [here, there] * 25))
            await asyncio.gather(runtime.uses.settle(), second.runtime.uses.settle())
    assert {response.status_code for response in responses} == {200}
    assert sum(statement.startswith("UPDATE sessions") for statement in seen) <= 2
    assert await new_addresses(runtime, ada) == [ABROAD]


async def test_a_session_that_another_worker_has_just_noted_is_left_alone(accounts: Accounts, runtime: Runtime) -> None:
    """Both had read that it was time; the row decides."""
    ada = await accounts.signed_in()
    await let_it_be_noted(runtime, ada)
    for address in (HOME, ABROAD):
        async with runtime.database.begin(replace(CLIENT, address=address)) as work:
            await note_use(work, session_id=session_id_of(ada))
    assert (await find_session(runtime, session_id_of(ada))).last_address == HOME
    assert await new_addresses(runtime, ada) == [HOME]


async def test_an_ended_session_is_not_noted(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await ada.post("/auth/logout")
    await let_it_be_noted(runtime, ada)
    before = await find_session(runtime, session_id_of(ada))
    async with visiting(app, ada) as thief:
        problem_of(await thief.get("/auth/me"), 401, "SESSION_ENDED")
    await runtime.uses.settle()
    after = await find_session(runtime, session_id_of(ada))
    assert (after.last_seen_at, after.last_address) == (before.last_seen_at, before.last_address)
    assert await new_addresses(runtime, ada) == []


@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=1)
async def test_a_session_that_cannot_be_noted_is_not_refused(accounts: Accounts, runtime: Runtime) -> None:
    """RV-04: whoever reads needs nothing to be written; and the next request tries again."""
    ada = await accounts.signed_in()
    await let_it_be_noted(runtime, ada)
    async with uncommitted(runtime, text("UPDATE sessions SET user_agent = 'held'")):
        assert (await ada.get("/auth/me")).status_code == 200
        await runtime.uses.settle()
    before = (await find_session(runtime, session_id_of(ada))).last_seen_at
    assert (await ada.get("/auth/me")).status_code == 200
    await runtime.uses.settle()
    assert (await find_session(runtime, session_id_of(ada))).last_seen_at > before


async def test_a_refused_request_has_its_session_noted_all_the_same(accounts: Accounts, runtime: Runtime) -> None:
    """It was used. What the route then refuses undoes only what the route wrote."""
    ada = await accounts.signed_in()
    await let_it_be_noted(runtime, ada)
    before = (await find_session(runtime, session_id_of(ada))).last_seen_at
    problem_of(await ada.get("/users/"), 403, "PERMISSION_DENIED")
    await runtime.uses.settle()
    assert (await find_session(runtime, session_id_of(ada))).last_seen_at > before


# From where.


async def use_from(app: FastAPI, runtime: Runtime, person: Person, address: str) -> None:
    """Call from an address, a while after the last time."""
    await let_it_be_noted(runtime, person)
    async with visiting(app, person, address=address) as there:
        assert (await there.get("/auth/me")).status_code == 200
    await runtime.uses.settle()


async def test_each_new_address_is_recorded_once(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """A phone that changes between two networks all day fills no table."""
    ada = await accounts.signed_in()
    for address in (ABROAD, HOME, ABROAD, HOME, ABROAD):
        await use_from(app, runtime, ada, address)
    assert await new_addresses(runtime, ada) == [ABROAD, HOME]
    assert (await find_session(runtime, session_id_of(ada))).last_address == ABROAD


async def test_the_address_of_the_sign_in_is_never_a_new_one(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """Back at home is not elsewhere."""
    ada = await accounts.signed_in()
    home = (await find_session(runtime, session_id_of(ada))).client_address
    assert home is not None
    for address in (ABROAD, home):
        await use_from(app, runtime, ada, address)
    assert await new_addresses(runtime, ada) == [ABROAD]


async def test_a_refresh_from_a_new_address_is_recorded_too(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """The thief of a refresh token comes from elsewhere with that very request."""
    ada = await accounts.signed_in()
    async with visiting(app, ada) as thief:
        assert (await thief.refresh()).status_code == 200
        await use_from(app, runtime, thief, ABROAD)
    assert await new_addresses(runtime, ada) == [ABROAD]


async def test_a_disabled_users_row_is_read_with_the_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01: an account that was disabled past the API, without its sessions being ended, lets nobody in."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    statement: Executable = update(User).where(User.email == ada.email).values(is_active=False)
    await write(runtime, statement)
    assert (await find_session(runtime, session_id_of(ada))).ended_at is None
    responses = await asyncio.gather(ada.get("/auth/me"), bob.get("/auth/me"))
    assert [response.status_code for response in responses] == [401, 200]
    assert await count(runtime, Session, Session.ended_at.is_not(None)) == 0
