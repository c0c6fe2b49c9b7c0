"""Why was I signed out? What a session's story tells, from its beginning to its end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.auth.identifiers import new_id
from app.config import Settings
from app.models import Session, SessionEvent, SessionEventKind
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.contention import at_once
from tests.instances import instance
from tests.rows import change_session, count, find_session, let_time_pass, write
from tests.statements import recorded_statements
from tests.tokens import session_id_of
from tests.visitors import ABROAD, HOME, visiting

LONGER_THAN_THE_GRACE = timedelta(seconds=31)


async def story(teller: Person, session_id: UUID) -> list[dict[str, Any]]:
    """Return what somebody is told of a session."""
    response = await teller.get(f"/sessions/{session_id}")
    assert response.status_code == 200, response.text
    timeline: list[dict[str, Any]] = response.json()["timeline"]
    assert [entry["at"] for entry in timeline] == sorted(entry["at"] for entry in timeline)
    return timeline


def events(timeline: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(entry["event"], entry["detail"]) for entry in timeline]


async def end_the_grace(runtime: Runtime, person: Person) -> None:
    columns = (Session.created_at, Session.refreshed_at)
    await let_time_pass(runtime, session_id_of(person), *columns, by=LONGER_THAN_THE_GRACE)


async def test_a_new_session_has_a_beginning(app: FastAPI, accounts: Accounts) -> None:
    ada = await accounts.register()
    async with visiting(app, ada, address=HOME) as at_home:
        session = await at_home.sign_in()
        whole = (await session.get(f"/sessions/{session_id_of(session)}")).json()
    assert whole["session"]["is_current"] is True
    (entry,) = whole["timeline"]
    assert (entry["event"], entry["detail"], entry["count"]) == ("signed_in", "pwd", None)
    assert (entry["client_address"], entry["actor_id"]) == (HOME, None)
    assert entry["at"] == whole["session"]["created_at"]


async def test_refreshes_are_counted_and_not_listed(accounts: Accounts) -> None:
    """A session that lives a month is refreshed a thousand times."""
    ada = await accounts.signed_in()
    for _ in range(3):
        await ada.refresh()
    (entry,) = (await story(ada, session_id_of(ada)))[1:]
    assert (entry["event"], entry["detail"], entry["count"]) == ("refreshed", None, 3)


async def test_refreshes_from_many_places_are_told_without_one(app: FastAPI, accounts: Accounts) -> None:
    """The line stands for all of them; each place that is not the sign-in's has a line of its own."""
    ada = await accounts.signed_in()
    for address in (HOME, ABROAD, HOME):
        async with visiting(app, ada, address=address) as there:
            assert (await there.refresh()).status_code == 200
            ada.tokens = there.tokens
    told = await story(ada, session_id_of(ada))
    assert [entry["client_address"] for entry in told if entry["event"] == "refreshed"] == [None]
    assert [entry["client_address"] for entry in told if entry["event"] == "new_address"] == [HOME, ABROAD]


async def test_a_repeated_refresh_is_told_once_for_each_address(
    app: FastAPI, accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.4-03: however often it is repeated, and by however many at once, on two workers."""
    ada = await accounts.signed_in()
    home = (await find_session(runtime, session_id_of(ada))).client_address
    async with instance(settings) as second, visiting(app, ada, address=ABROAD) as abroad:
        for _ in range(2):
            parent = ada.tokens["refresh_token"]
            await ada.refresh()
            tabs = [ada, second.serves(ada), abroad] * 4
            responses = await asyncio.gather(*(tab.refresh(parent) for tab in tabs))
            assert {response.status_code for response in responses} == {200}
    told = [entry for entry in await story(ada, session_id_of(ada)) if entry["event"] == "grace_used"]
    assert sorted(entry["client_address"] for entry in told) == sorted([str(home), ABROAD])
    assert {(entry["detail"], entry["count"]) for entry in told} == {(None, None)}


async def test_a_replay_is_told_with_the_address_of_whoever_presented_it(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """OA-11, 3.4-03: first the reuse, then the end that it led to, both from there."""
    ada = await accounts.signed_in()
    stolen = ada.tokens["refresh_token"]
    await ada.refresh()
    await end_the_grace(runtime, ada)
    async with visiting(app, ada, address=ABROAD) as thief:
        problem_of(await thief.refresh(stolen), 401, "SESSION_ENDED")
        problem_of(await thief.refresh(stolen), 401, "SESSION_ENDED")
    told = (await story(await ada.sign_in(), session_id_of(ada)))[2:]
    assert events(told) == [("refresh_token_reused", "0"), ("ended", "refresh_token_reused")]
    assert {entry["client_address"] for entry in told} == {ABROAD}


async def test_what_led_to_the_end_is_told_before_the_end(accounts: Accounts, runtime: Runtime) -> None:
    """Both happen in one moment; the story still has an order."""
    ada = await accounts.register()
    for _ in range(20):  # Their ids are in a random order within one millisecond.
        ada = await ada.sign_in()
        stolen = ada.tokens["refresh_token"]
        await ada.refresh()
        await end_the_grace(runtime, ada)
        await ada.refresh(stolen)
        timeline = await story(await ada.sign_in(), session_id_of(ada))
        told = [entry["event"] for entry in timeline if entry["event"] != "signed_in_elsewhere"]
        assert told == ["signed_in", "refreshed", "refresh_token_reused", "ended"]
        assert timeline[-1]["at"] == timeline[-2]["at"]


async def test_a_new_address_is_told(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    await let_time_pass(runtime, session_id_of(ada), Session.last_seen_at, by=timedelta(minutes=6))
    async with visiting(app, ada, address=ABROAD) as abroad:
        await abroad.get("/auth/me")
    await runtime.uses.settle()
    entry = (await story(ada, session_id_of(ada)))[-1]
    assert (entry["event"], entry["detail"], entry["client_address"]) == ("new_address", None, ABROAD)


async def test_a_sign_in_elsewhere_is_told(app: FastAPI, accounts: Accounts) -> None:
    """Of the second session alone: the first one had nothing to differ from."""
    ada = await accounts.signed_in()
    async with visiting(app, ada, address=ABROAD) as abroad:
        elsewhere = await abroad.sign_in()
    again = await ada.sign_in()
    told = events(await story(ada, session_id_of(elsewhere)))
    assert told[0] == ("signed_in", "pwd")
    assert sorted(told[1:]) == [("signed_in_elsewhere", "new device"), ("signed_in_elsewhere", "new place")]
    assert events(await story(ada, session_id_of(ada))) == events(await story(ada, session_id_of(again)))


async def test_a_fresh_proof_is_told(accounts: Accounts) -> None:
    ada = await accounts.signed_in()
    assert (await ada.post("/auth/reauthenticate", json={"password": PASSWORD})).status_code == 200
    assert events(await story(ada, session_id_of(ada)))[1:] == [("reauthenticated", "pwd")]


async def test_an_end_by_the_owner_names_nobody_else(accounts: Accounts) -> None:
    ada = await accounts.signed_in()
    other, third = await ada.sign_in(), await ada.sign_in()
    await ada.call("DELETE", f"/sessions/{session_id_of(other)}")
    await ada.post("/auth/logout/others")
    for session, cause in ((other, "ended_by_user"), (third, "logout_others")):
        entry = (await story(ada, session_id_of(session)))[-1]
        assert (entry["event"], entry["detail"], entry["actor_id"]) == ("ended", cause, None)


async def test_an_end_by_an_administrator_names_them(accounts: Accounts) -> None:
    """3.5-01: one session, all of them, and a disabling."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    other, third = await ada.sign_in(), await ada.sign_in()
    await admin.call("DELETE", f"/sessions/{session_id_of(other)}")
    await admin.call("DELETE", f"/users/{ada.id}/sessions")
    last = await ada.sign_in()
    await admin.patch(f"/users/{ada.id}", json={"is_active": False})
    causes = ["ended_by_administrator", "ended_by_administrator", "user_disabled"]
    for session, cause in zip([other, third, last], causes, strict=True):
        entry = (await story(admin, session_id_of(session)))[-1]
        assert (entry["event"], entry["detail"], entry["actor_id"]) == ("ended", cause, admin.id)


@pytest.mark.parametrize(("column", "cause"), [("idle_expires_at", "idle_timeout"), ("expires_at", "absolute_timeout")])
async def test_an_end_that_only_time_brought_is_told(
    accounts: Accounts, runtime: Runtime, column: str, cause: str
) -> None:
    """SE-01: when it was, and by nobody."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    end = datetime.now(UTC)
    await change_session(runtime, session_id_of(other), **{column: end})
    problem_of(await other.refresh(), 401, "SESSION_ENDED")
    entry = (await story(ada, session_id_of(other)))[-1]
    assert (entry["event"], entry["detail"], entry["actor_id"]) == ("ended", cause, None)
    assert datetime.fromisoformat(entry["at"]) == end


@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_of_fifty_ends_at_once_one_is_told(accounts: Accounts, runtime: Runtime, settings: Settings) -> None:
    """3.5-02: a session ends once, whoever else wanted to end it."""
    ada = await accounts.signed_in()
    other = await ada.sign_in()
    path = f"/sessions/{session_id_of(other)}"
    async with instance(settings) as second:
        there = second.serves(ada)
        ends = at_once(25, lambda: ada.call("DELETE", path)), at_once(25, lambda: there.post("/auth/logout/others"))
        responses = [response for each in await asyncio.gather(*ends) for response in each]
    assert {response.status_code for response in responses} == {204}
    where = (SessionEvent.session_id == session_id_of(other), SessionEvent.kind == SessionEventKind.ENDED.value)
    assert await count(runtime, SessionEvent, *where) == 1


async def test_a_long_story_is_cut_at_its_old_end(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-03: bounded, and always with beginning and end."""
    ada = await accounts.signed_in()
    session_id, began = session_id_of(ada), datetime.now(UTC)
    rows = [
        {
            "id": UUID(int=(n << 80) | new_id().int & ((1 << 80) - 1)),
            "session_id": session_id,
            "kind": "grace_used",
            "at": began + timedelta(seconds=n),
            "detail": str(n),
        }
        for n in range(250)
    ]
    await write(runtime, insert(SessionEvent).values(rows))
    with recorded_statements(runtime) as seen:
        told = events(await story(ada, session_id))
    assert len(seen) == 3
    assert told[0] == ("signed_in", "pwd")
    assert told[1:] == [("grace_used", str(n)) for n in range(50, 250)]


async def test_somebody_who_guesses_the_password_within_a_session_is_seen_there(accounts: Accounts) -> None:
    """S87: a stolen access token is no quiet place to try passwords."""
    ada = await accounts.signed_in()
    for path, body in (
        ("/auth/reauthenticate", {"password": "no"}),
        ("/auth/me/password", {"current_password": "no", "new_password": "a passphrase of some length"}),
        ("/auth/me/delete", {"password": "no"}),
    ):
        problem_of(await ada.post(path, json=body), 403, "WRONG_PASSWORD")
    told = [entry["event"] for entry in await story(ada, session_id_of(ada))]
    assert told.count("password_refused") == 3
