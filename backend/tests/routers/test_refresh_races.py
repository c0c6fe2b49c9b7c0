"""Refreshes that meet: parallel tabs, parallel workers, a thief at the same moment, a sign-out in between."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text, update

from app.config import Settings
from app.models import Session, User
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.contention import at_once, uncommitted, waiting_for_a_lock
from tests.instances import instance
from tests.rows import change_user, count, find_session, let_time_pass, living_sessions
from tests.tokens import session_id_of

REFRESH = f"{API}/auth/refresh"


async def present(http: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await http.post(REFRESH, json={"refresh_token": token})


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_fifty_refreshes_of_one_token_at_once_get_the_same_child(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02: one rotates, the others see its result; nothing is forked and nobody is signed out."""
    ada = await accounts.signed_in()
    token = ada.tokens["refresh_token"]
    responses = await at_once(50, lambda: present(ada.http, token))
    assert [r.status_code for r in responses] == [200] * 50
    children = {r.json()["refresh_token"] for r in responses}
    assert len(children) == 1
    assert (await find_session(runtime, session_id_of(ada))).counter == 1
    assert await count(runtime, Session) == 1
    assert (await ada.refresh(children.pop())).status_code == 200


@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_refreshes_on_two_workers_at_once_get_the_same_child(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.4-02: workers share nothing but the database."""
    ada = await accounts.signed_in()
    async with instance(settings) as second:
        for turn in range(1, 6):
            token = ada.tokens["refresh_token"]
            calls = [present(http, token) for _ in range(5) for http in (ada.http, second.http)]
            responses = await asyncio.gather(*calls)
            assert [r.status_code for r in responses] == [200] * 10
            assert len({r.json()["refresh_token"] for r in responses}) == 1
            assert (await find_session(runtime, session_id_of(ada))).counter == turn
            ada.tokens = responses[0].json()


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_fifty_replays_at_once_end_the_session_once(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02, OA-11: every one is refused with the cause, and none gets a token out of the confusion."""
    ada = await accounts.signed_in()
    old = ada.tokens["refresh_token"]
    await ada.refresh()
    await let_time_pass(runtime, session_id_of(ada), Session.refreshed_at, by=timedelta(minutes=1))
    for response in await at_once(50, lambda: present(ada.http, old)):
        assert problem_of(response, 401, "SESSION_ENDED")["cause"] == "refresh_token_reused"
    assert (await find_session(runtime, session_id_of(ada))).counter == 1
    assert await living_sessions(runtime, ada) == set()


@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_thief_and_the_owner_at_once_leave_no_living_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02, 3.4-03: whichever comes first, the replay of the older token ends what the newer one prolonged."""
    for _ in range(5):
        ada = await accounts.signed_in()
        stolen = ada.tokens["refresh_token"]
        await ada.refresh()
        await let_time_pass(runtime, session_id_of(ada), Session.refreshed_at, by=timedelta(minutes=1))
        tokens = [stolen, ada.tokens["refresh_token"]] * 3
        responses = await asyncio.gather(*(present(ada.http, token) for token in tokens))
        assert {r.status_code for r in responses} <= {200, 401}
        assert await living_sessions(runtime, ada) == set()
        for response in [r for r in responses if r.status_code == 200]:
            problem_of(await present(ada.http, response.json()["refresh_token"]), 401, "SESSION_ENDED")


async def _after_a_race(ada: Person, refreshed: httpx2.Response) -> None:
    """Assert that whatever a refresh got while the session was being ended is dead."""
    assert refreshed.status_code in {200, 401}, refreshed.text
    if refreshed.status_code == 200:
        ada.tokens = refreshed.json()
    assert (await present(ada.http, ada.tokens["refresh_token"])).status_code == 401
    assert (await ada.get("/auth/me")).status_code == 401


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout/all"])
async def test_a_refresh_does_not_outlive_a_sign_out_at_the_same_moment(
    accounts: Accounts, runtime: Runtime, path: str
) -> None:
    """3.5-02: in whichever order they come, no token of the session is alive after both."""
    for _ in range(5):
        ada = await accounts.signed_in()
        refreshed, ended = await asyncio.gather(present(ada.http, ada.tokens["refresh_token"]), ada.post(path))
        assert ended.status_code == 204
        await _after_a_race(ada, refreshed)
        assert await living_sessions(runtime, ada) == set()


async def test_a_refresh_does_not_outlive_a_disabling_at_the_same_moment(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01, 3.5-02."""
    admin = await accounts.administrator()
    for _ in range(5):
        ada = await accounts.signed_in()
        disabling = admin.patch(f"/users/{ada.id}", json={"is_active": False})
        refreshed, disabled = await asyncio.gather(present(ada.http, ada.tokens["refresh_token"]), disabling)
        assert disabled.status_code == 200
        await _after_a_race(ada, refreshed)
        await change_user(runtime, ada, is_active=True)
        await _after_a_race(ada, refreshed)


@pytest.mark.only("postgresql")
async def test_a_refresh_that_waits_for_a_sign_out_gets_its_answer(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02, 3.5-02: the row is looked at again after the wait, as it is then."""
    ada = await accounts.signed_in()
    ended = update(Session).values(ended_at=text("now()"), end_cause="logout")
    async with uncommitted(runtime, ended):
        refresh = await waiting_for_a_lock(runtime, present(ada.http, ada.tokens["refresh_token"]))
    assert problem_of(await refresh, 401, "SESSION_ENDED")["cause"] == "logout"


@pytest.mark.only("postgresql")
async def test_a_refresh_that_waits_for_another_gets_its_child(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02: compare-and-set on the newest row, not on the one that was read before the wait."""
    ada = await accounts.signed_in()
    token = ada.tokens["refresh_token"]
    async with uncommitted(runtime, update(Session).values(counter=1, refreshed_at=text("now()"))):
        refresh = await waiting_for_a_lock(runtime, present(ada.http, token))
    assert (await refresh).status_code == 200
    assert (await find_session(runtime, session_id_of(ada))).counter == 1


@pytest.mark.only("postgresql")
async def test_a_refresh_that_waits_for_a_deletion_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02, 3.8-07."""
    ada = await accounts.signed_in()
    async with uncommitted(runtime, text("DELETE FROM users")):
        refresh = await waiting_for_a_lock(runtime, present(ada.http, ada.tokens["refresh_token"]))
    problem_of(await refresh, 401, "REFRESH_TOKEN_INVALID")
    assert await count(runtime, User, User.id == UUID(ada.id)) == 0
