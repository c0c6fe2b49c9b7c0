"""Deleting one's account: with a fresh proof, with everything that hangs on it, and never the last administrator."""

from uuid import UUID

import pytest
from sqlalchemy import delete

from app.models import Session, User
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.answers import CANARY, check_nothing_repeated, problem_of
from tests.contention import at_once, hashing_held, queued_for_hashing
from tests.rows import active_administrators, change_user, count, everything_but_stories, write

PATH = "/auth/me/delete"
PROOF = {"password": PASSWORD}


async def test_the_account_goes_with_all_its_sessions_at_once(accounts: Accounts, runtime: Runtime) -> None:
    """S08, 3.5-01, 3.8-07."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    sessions = [ada, await ada.sign_in()]
    response = await ada.post(PATH, json=PROOF)
    assert (response.status_code, response.content) == (204, b"")
    for session in sessions:
        problem_of(await session.get("/auth/me"), 401, "TOKEN_INVALID")
        problem_of(await session.refresh(), 401, "REFRESH_TOKEN_INVALID")
    assert await count(runtime, User, User.id == UUID(ada.id)) == 0
    assert await count(runtime, Session, Session.user_id == UUID(ada.id)) == 0
    assert (await bob.get("/auth/me")).status_code == 200


async def test_a_deleted_account_signs_in_as_an_unknown_one(accounts: Accounts) -> None:
    """3.7-02."""
    ada = await accounts.signed_in()
    await ada.post(PATH, json=PROOF)
    form = {"username": ada.email, "password": PASSWORD}
    problem_of(await ada.http.post(f"{API}/auth/login", data=form), 401, "INVALID_CREDENTIALS")


async def test_old_tokens_do_not_open_a_new_account_with_the_same_address(accounts: Accounts) -> None:
    """S17, 3.8-07: ids are never given twice, so a token dies with its account."""
    old = await accounts.signed_in("ada@example.com")
    await old.post(PATH, json=PROOF)
    new = await accounts.signed_in("ada@example.com")
    assert new.id != old.id
    problem_of(await old.get("/auth/me"), 401, "TOKEN_INVALID")
    problem_of(await old.get(f"/users/{new.id}"), 401, "TOKEN_INVALID")
    problem_of(await old.refresh(), 401, "REFRESH_TOKEN_INVALID")


async def test_a_wrong_password_deletes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """A stolen access token alone deletes no account."""
    ada = await accounts.signed_in()
    before = await everything_but_stories(runtime)
    response = await ada.post(PATH, json={"password": CANARY})
    problem_of(response, 403, "WRONG_PASSWORD")
    check_nothing_repeated(response)
    assert await everything_but_stories(runtime) == before


async def test_an_account_without_a_password_proves_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """S38, 3.3-18."""
    ada = await accounts.signed_in()
    for stored in (None, "", "not a hash at all"):
        await change_user(runtime, ada, password_hash=stored)
        for typed in (PASSWORD, "", "not a hash at all"):
            problem_of(await ada.post(PATH, json={"password": typed}), 403, "WRONG_PASSWORD")
    assert await count(runtime, User) == 1


async def test_the_last_administrator_stays(accounts: Accounts, runtime: Runtime) -> None:
    admin = await accounts.administrator()
    disabled = await accounts.administrator()
    await change_user(runtime, disabled, is_active=False)
    before = await everything_but_stories(runtime)
    problem_of(await admin.post(PATH, json=PROOF), 409, "LAST_ADMINISTRATOR")
    problem_of(await admin.post(PATH, json={"password": "wrong"}), 403, "WRONG_PASSWORD")
    assert await everything_but_stories(runtime) == before
    assert (await admin.get("/auth/me")).status_code == 200


async def test_an_administrator_may_go_when_another_remains(accounts: Accounts, runtime: Runtime) -> None:
    first, second = await accounts.administrator(), await accounts.administrator()
    assert (await first.post(PATH, json=PROOF)).status_code == 204
    problem_of(await second.post(PATH, json=PROOF), 409, "LAST_ADMINISTRATOR")
    assert await active_administrators(runtime) == 1


@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_wrong_password_of_an_account_that_has_just_gone_is_refused_as_any(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-02: the story of a session that is gone takes no further line, and nobody gets an error of ours."""
    ada = await accounts.signed_in()
    async with hashing_held(runtime):
        late = await queued_for_hashing(runtime, ada.post(PATH, json={"password": "not this one"}))
        await write(runtime, delete(User))
    assert (await late).status_code in {401, 403}


async def test_deleting_at_once_from_many_tabs_deletes_once(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02: the others are refused, none by accident."""
    ada = await accounts.signed_in()
    responses = await at_once(5, lambda: ada.post(PATH, json=PROOF))
    statuses = sorted(r.status_code for r in responses)
    assert statuses[0] == 204
    assert set(statuses[1:]) <= {401, 403}
    assert await count(runtime, User) == 0
