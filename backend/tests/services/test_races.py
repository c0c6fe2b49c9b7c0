"""Requests that get in each other's way: there is always an administrator, and never a session too many.

Where chance would decide which request comes first, the other one is held at the very point where it hurts: behind
the hashing thread, after it has read and before it writes, or behind a lock of PostgreSQL.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest
from sqlalchemy import text, update

from app.config import Settings
from app.models import User
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.contention import hashing_held, queued_for_hashing, uncommitted, waiting_for_a_lock
from tests.instances import instance
from tests.rows import active_administrators, change_user, find_user, living_sessions
from tests.tokens import session_id_of

NEW_PASSWORD = "a brand new passphrase"
LOCK_SESSIONS = text("LOCK TABLE sessions IN SHARE MODE")
"""Lets everybody read, and stops a sign-in between its check of the account and its new session."""


def delete_oneself(person: Person) -> Coroutine[Any, Any, httpx2.Response]:
    return person.post("/auth/me/delete", json={"password": PASSWORD})


def change_password(person: Person) -> Coroutine[Any, Any, httpx2.Response]:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return person.post("/auth/me/password", json=body)


def demote(actor: Person, target: Person) -> Coroutine[Any, Any, httpx2.Response]:
    return actor.patch(f"/users/{target.id}", json={"role": "user"})


def disable(actor: Person, target: Person) -> Coroutine[Any, Any, httpx2.Response]:
    return actor.patch(f"/users/{target.id}", json={"is_active": False})


def sign_in(person: Person) -> Coroutine[Any, Any, httpx2.Response]:
    return person.http.post(f"{API}/auth/login", data={"username": person.email, "password": person.password})


async def two_administrators(accounts: Accounts) -> tuple[Person, Person]:
    return await accounts.administrator(), await accounts.administrator()


Removal = Callable[[Person, Person], tuple[Coroutine[Any, Any, httpx2.Response], Coroutine[Any, Any, httpx2.Response]]]

REMOVALS: dict[str, Removal] = {
    "both delete themselves": lambda a, b: (delete_oneself(a), delete_oneself(b)),
    "they demote each other": lambda a, b: (demote(a, b), demote(b, a)),
    "they disable each other": lambda a, b: (disable(a, b), disable(b, a)),
    "both demote themselves": lambda a, b: (demote(a, a), demote(b, b)),
    "one goes while the other demotes": lambda a, b: (delete_oneself(a), demote(b, b)),
    "one goes while the other disables": lambda a, b: (delete_oneself(a), disable(b, b)),
    "one demotes who disables": lambda a, b: (demote(a, b), disable(b, a)),
}


@pytest.mark.settings(DATABASE_POOL_SIZE=10)
@pytest.mark.parametrize("name", REMOVALS)
async def test_two_administrators_cannot_remove_each_other_at_once(
    accounts: Accounts, runtime: Runtime, settings: Settings, name: str
) -> None:
    """S44: one stays, whoever comes first, and the other is refused, never by an accident; on two workers too."""
    async with instance(settings) as second:
        for _ in range(3):
            ada, bob = await two_administrators(accounts)
            responses = await asyncio.gather(*REMOVALS[name](ada, second.serves(bob)))
            statuses = sorted(response.status_code for response in responses)
            # Who was removed before the guard looked is not signed in any more, or may not any more.
            assert statuses[0] in {200, 204}, statuses
            assert statuses[1] in {401, 403, 409}, statuses
            assert await active_administrators(runtime) == 1
            for person in (ada, bob):
                await change_user(runtime, person, role_name="user")


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_administrators_who_all_go_in_every_way_at_once_leave_one(accounts: Accounts, runtime: Runtime) -> None:
    """S44: deletions and demotions take their locks in one order, so that none waits for the other for ever."""
    people = [await accounts.administrator() for _ in range(6)]
    ways = [delete_oneself(p) for p in people[:3]] + [demote(p, p) for p in people[3:]]
    across = [demote(a, b) for a, b in zip(people, reversed(people), strict=True)]
    responses = await asyncio.gather(*ways, *across)
    assert {response.status_code for response in responses} <= {200, 204, 401, 403, 404, 409}
    assert await active_administrators(runtime) == 1


async def test_somebody_made_administrator_while_deleting_themselves_is_not_the_last_to_go(
    accounts: Accounts, runtime: Runtime
) -> None:
    """S44: the rule looks at the role at the time of the deletion, not at the time of the request."""
    admin, ada = await accounts.administrator(), await accounts.signed_in()
    async with hashing_held(runtime):
        deletion = await queued_for_hashing(runtime, delete_oneself(ada))
        assert (await admin.patch(f"/users/{ada.id}", json={"role": "admin"})).status_code == 200
        assert (await demote(admin, admin)).status_code == 200
    await deletion
    assert await active_administrators(runtime) == 1


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_sign_ins_and_a_password_change_at_once_leave_no_session_of_the_old_password(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-01, 3.5-02, S55: whichever comes first."""
    async with instance(settings) as second:
        for _ in range(4):
            ada = await accounts.signed_in()
            sign_ins = [sign_in(p) for _ in range(3) for p in (ada, second.serves(ada))]
            changed, *responses = await asyncio.gather(change_password(ada), *sign_ins)
            assert changed.status_code == 204
            assert {response.status_code for response in responses} <= {200, 401}
            assert await living_sessions(runtime, ada) == {session_id_of(ada)}
            await _check_all_dead(ada, responses)


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_sign_ins_and_a_disabling_at_once_leave_no_session(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-01, 3.5-02, S37."""
    admin = await accounts.administrator()
    async with instance(settings) as second:
        for _ in range(4):
            ada = await accounts.register()
            sign_ins = [sign_in(p) for _ in range(3) for p in (ada, second.serves(ada))]
            disabled, *responses = await asyncio.gather(disable(admin, ada), *sign_ins)
            assert disabled.status_code == 200
            assert await living_sessions(runtime, ada) == set()
            await change_user(runtime, ada, is_active=True)
            await _check_all_dead(ada, responses)


async def _check_all_dead(person: Person, sign_ins: list[httpx2.Response]) -> None:
    for response in sign_ins:
        if response.status_code == 200:
            outlived = Person(person.http, person.id, person.email, person.password, response.json())
            assert (await outlived.get("/auth/me")).status_code == 401
            assert (await outlived.refresh()).status_code == 401


async def test_a_password_that_changed_while_it_was_verified_signs_nobody_in(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-02, S55: the hash was right when it was read, and is not the account's any more."""
    ada = await accounts.signed_in()
    async with instance(settings) as second:
        async with hashing_held(runtime):
            late = await queued_for_hashing(runtime, sign_in(ada))
            assert (await change_password(second.serves(ada))).status_code == 204
        problem_of(await late, 401, "INVALID_CREDENTIALS")
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}


async def test_an_account_disabled_while_its_password_was_verified_signs_nobody_in(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-02, S37."""
    admin, ada = await accounts.administrator(), await accounts.register()
    async with hashing_held(runtime):
        late = await queued_for_hashing(runtime, sign_in(ada))
        assert (await disable(admin, ada)).status_code == 200
    problem_of(await late, 401, "INVALID_CREDENTIALS")
    assert await living_sessions(runtime, ada) == set()


async def test_an_account_deleted_while_its_password_was_verified_signs_nobody_in(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-02, 3.8-07."""
    ada = await accounts.signed_in()
    async with instance(settings) as second:
        async with hashing_held(runtime):
            late = await queued_for_hashing(runtime, sign_in(ada))
            assert (await delete_oneself(second.serves(ada))).status_code == 204
        problem_of(await late, 401, "INVALID_CREDENTIALS")


async def test_a_password_proved_for_a_deletion_that_changed_meanwhile_deletes_nothing(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-02: a thief with the old password cannot race the owner who replaces it."""
    ada = await accounts.signed_in()
    thief = await ada.sign_in()
    async with instance(settings) as second:
        async with hashing_held(runtime):
            deletion = await queued_for_hashing(runtime, delete_oneself(thief))
            assert (await change_password(second.serves(ada))).status_code == 204
        assert problem_of(await deletion, 401, "SESSION_ENDED")["cause"] == "password_changed"
    assert (await ada.get("/auth/me")).status_code == 200


async def test_a_password_proved_for_a_change_that_changed_meanwhile_changes_nothing(
    accounts: Accounts, runtime: Runtime, settings: Settings
) -> None:
    """3.5-02: nor can the thief put a password of their own over the new one."""
    ada = await accounts.signed_in()
    thief = await ada.sign_in()
    async with instance(settings) as second:
        async with hashing_held(runtime):
            body = {"current_password": PASSWORD, "new_password": "the passphrase of a thief"}
            theft = await queued_for_hashing(runtime, thief.post("/auth/me/password", json=body))
            assert (await change_password(second.serves(ada))).status_code == 204
            chosen = (await find_user(runtime, ada)).password_hash
        assert problem_of(await theft, 401, "SESSION_ENDED")["cause"] == "password_changed"
    assert (await find_user(runtime, ada)).password_hash == chosen
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_session_that_begins_before_a_password_change_is_ended_by_it(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-02, S55: the change waits for the sign-in that is under way, and then sees its session."""
    ada = await accounts.signed_in()
    async with uncommitted(runtime, LOCK_SESSIONS):
        early = await waiting_for_a_lock(runtime, sign_in(ada))
        change = await waiting_for_a_lock(runtime, change_password(ada), waiters=2)
    assert (await early).status_code == 200
    assert (await change).status_code == 204
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_session_that_begins_before_a_disabling_is_ended_by_it(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02, S37."""
    admin, ada = await accounts.administrator(), await accounts.register()
    async with uncommitted(runtime, LOCK_SESSIONS):
        early = await waiting_for_a_lock(runtime, sign_in(ada))
        disabling = await waiting_for_a_lock(runtime, disable(admin, ada), waiters=2)
    assert (await early).status_code == 200
    assert (await disabling).status_code == 200
    assert await living_sessions(runtime, ada) == set()


@pytest.mark.only("postgresql")
async def test_a_sign_in_that_waits_for_a_change_of_the_account_looks_again(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-02, S37, S55: after the wait it is the new row that counts."""
    for values in ({"is_active": False}, {"password_hash": "another"}, {"password_hash": None}):
        ada = await accounts.register()
        async with uncommitted(runtime, update(User).where(User.email == ada.email).values(values)):
            late = await waiting_for_a_lock(runtime, sign_in(ada))
        problem_of(await late, 401, "INVALID_CREDENTIALS")
        assert await living_sessions(runtime, ada) == set()
