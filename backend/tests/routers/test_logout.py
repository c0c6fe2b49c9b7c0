"""Signing out: here, or everywhere."""

import asyncio

import pytest

from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import problem_of
from tests.rows import find_session, living_sessions
from tests.tokens import session_id_of


async def test_a_sign_out_ends_this_session_at_once_and_no_other(accounts: Accounts) -> None:
    """S08, S53, S54: the access token is dead with the answer, not when it expires."""
    ada = await accounts.signed_in()
    elsewhere = await ada.sign_in()
    response = await ada.post("/auth/logout")
    assert (response.status_code, response.content) == (204, b"")
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "logout"
    assert problem_of(await ada.refresh(), 401, "SESSION_ENDED")["cause"] == "logout"
    assert (await elsewhere.get("/auth/me")).status_code == 200
    assert (await elsewhere.refresh()).status_code == 200


async def test_signing_out_everywhere_ends_every_session_of_the_caller_alone(
    accounts: Accounts, runtime: Runtime
) -> None:
    """S08, S53, S54."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    sessions = [ada, await ada.sign_in(), await ada.sign_in()]
    assert (await sessions[1].post("/auth/logout/all")).status_code == 204
    for session in sessions:
        assert problem_of(await session.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "logout_all"
        assert problem_of(await session.refresh(), 401, "SESSION_ENDED")["cause"] == "logout_all"
    assert await living_sessions(runtime, ada) == set()
    assert (await bob.get("/auth/me")).status_code == 200
    assert (await ada.sign_in()).tokens


async def test_an_earlier_end_keeps_its_cause(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in()
    elsewhere = await ada.sign_in()
    await elsewhere.post("/auth/logout")
    await ada.post("/auth/logout/all")
    assert (await find_session(runtime, session_id_of(elsewhere))).end_cause == "logout"


async def test_signing_out_twice_is_refused_the_second_time(accounts: Accounts) -> None:
    ada = await accounts.signed_in()
    await ada.post("/auth/logout")
    for path in ("/auth/logout", "/auth/logout/all"):
        problem_of(await ada.post(path), 401, "SESSION_ENDED")


async def test_signing_out_needs_an_access_token(accounts: Accounts) -> None:
    """OA-15: nobody signs another out, and a refresh token is no access token."""
    ada = await accounts.signed_in()
    for path in ("/auth/logout", "/auth/logout/all"):
        problem_of(await ada.http.post(API + path), 401, "NOT_AUTHENTICATED")
        problem_of(await ada.http.post(API + path, json={"refresh_token": "x"}), 401, "NOT_AUTHENTICATED")
        headers = {"Authorization": f"Bearer {ada.tokens['refresh_token']}"}
        problem_of(await ada.http.post(API + path, headers=headers), 401, "TOKEN_INVALID")
    assert (await ada.get("/auth/me")).status_code == 200


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_signing_out_everywhere_from_everywhere_at_once_works(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02: statements that each end many sessions do not wait for one another for ever."""
    ada = await accounts.signed_in()
    sessions = [ada, *[await ada.sign_in() for _ in range(7)]]
    everywhere = [session.post("/auth/logout/all") for session in sessions]
    refreshes = [session.refresh() for session in sessions]
    responses = await asyncio.gather(*everywhere, *refreshes)
    assert {response.status_code for response in responses[: len(sessions)]} <= {204, 401}
    assert {response.status_code for response in responses[len(sessions) :]} <= {200, 401}
    assert await living_sessions(runtime, ada) == set()
    for session in sessions:
        problem_of(await session.get("/auth/me"), 401, "SESSION_ENDED")
