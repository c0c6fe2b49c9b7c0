"""Changing one's password: the old one is proved, the new one obeys the rules, and every other session ends."""

import asyncio

import pytest

from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, field_error_of, problem_of
from tests.conftest import FULL_HASHES
from tests.rows import change_user, everything, everything_but_stories, find_user, living_sessions
from tests.tokens import session_id_of

NEW = "a brand new passphrase"
PATH = "/auth/me/password"


def change(current: str = PASSWORD, new: str = NEW) -> dict[str, str]:
    return {"current_password": current, "new_password": new}


async def sign_in_status(person: Person, password: str) -> int:
    form = {"username": person.email, "password": password}
    return (await person.http.post(f"{API}/auth/login", data=form)).status_code


async def test_the_new_password_signs_in_and_the_old_one_does_not(accounts: Accounts) -> None:
    """S43."""
    ada = await accounts.signed_in()
    response = await ada.post(PATH, json=change())
    assert (response.status_code, response.content) == (204, b"")
    assert await sign_in_status(ada, NEW) == 200
    assert await sign_in_status(ada, PASSWORD) == 401


async def test_every_other_session_ends_and_this_one_stays(accounts: Accounts, runtime: Runtime) -> None:
    """S55, 3.5-01, OA-13: whoever had the old password is out, at once."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    others = [await ada.sign_in(), await ada.sign_in()]
    await ada.post(PATH, json=change())
    for other in others:
        assert problem_of(await other.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "password_changed"
        assert problem_of(await other.refresh(), 401, "SESSION_ENDED")["cause"] == "password_changed"
    assert await living_sessions(runtime, ada) == {session_id_of(ada)}
    assert (await ada.get("/auth/me")).status_code == 200
    assert (await ada.refresh()).status_code == 200
    assert (await bob.get("/auth/me")).status_code == 200


async def test_a_wrong_current_password_changes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """S43, S87: a stolen access token alone does not take an account over."""
    ada = await accounts.signed_in()
    await ada.sign_in()
    before, hashes = await everything_but_stories(runtime), runtime.hashing.computed
    response = await ada.post(PATH, json=change(current=f"{CANARY} is wrong"))
    problem_of(response, 403, "WRONG_PASSWORD")
    check_nothing_repeated(response, NEW)
    assert await everything_but_stories(runtime) == before
    assert runtime.hashing.computed - hashes == 1, "nothing is hashed for somebody who is refused"


async def test_an_account_without_a_password_proves_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """S38, 3.3-18."""
    ada = await accounts.signed_in()
    for stored in (None, "", "not a hash at all"):
        await change_user(runtime, ada, password_hash=stored)
        for typed in (PASSWORD, "", "not a hash at all"):
            problem_of(await ada.post(PATH, json=change(current=typed)), 403, "WRONG_PASSWORD")
        assert (await find_user(runtime, ada)).password_hash == stored


async def test_a_weak_new_password_is_refused_before_any_hash(accounts: Accounts, runtime: Runtime) -> None:
    """S25, PW-05: the rules of registration, against the address and name the account has now."""
    ada = await accounts.signed_in("lovelace@example.com", name="Ada Byron")
    before, hashes = await everything(runtime), runtime.hashing.computed
    codes = {
        "qx!9": "PASSWORD_TOO_SHORT",
        "z" * 20: "PASSWORD_REPETITIVE",
        "password1234": "PASSWORD_COMMON",
        "Lovelace1815": "PASSWORD_CONTAINS_OWN_WORDS",
        "ByronAda1815": "PASSWORD_CONTAINS_OWN_WORDS",
        "with a \x07 bell in it": "PASSWORD_UNUSABLE_CHARACTER",
        "k" + "long passphrase " * 16: "STRING_TOO_LONG",
    }
    for password, code in codes.items():
        response = await ada.post(PATH, json=change(new=password))
        assert field_error_of(response) == ("/new_password", code)
        check_nothing_repeated(response, password, PASSWORD)
    assert await everything(runtime) == before
    assert runtime.hashing.computed == hashes


async def test_an_endless_current_password_costs_no_hash(accounts: Accounts, runtime: Runtime) -> None:
    """S26, 3.2-05."""
    ada = await accounts.signed_in()
    hashes = runtime.hashing.computed
    response = await ada.post(PATH, json=change(current=CANARY * 1000))
    assert field_error_of(response) == ("/current_password", "STRING_TOO_LONG")
    check_nothing_repeated(response)
    assert runtime.hashing.computed == hashes


async def test_of_two_changes_at_once_one_wins(accounts: Accounts) -> None:
    """3.5-02: the one that comes second proved a password that is not the current one any more."""
    for number in range(3):
        ada = await accounts.signed_in()
        candidates = [f"passphrase {number} of mine {side}" for side in ("left", "right")]
        responses = await asyncio.gather(*(ada.post(PATH, json=change(new=new)) for new in candidates))
        assert sorted(r.status_code for r in responses) == [204, 403]
        winner = candidates[[r.status_code for r in responses].index(204)]
        assert [await sign_in_status(ada, password) for password in (winner, PASSWORD)] == [200, 401]
        loser = next(c for c in candidates if c != winner)
        assert await sign_in_status(ada, loser) == 401


async def test_two_sessions_that_change_at_once_leave_one_alive(accounts: Accounts, runtime: Runtime) -> None:
    """S55, 3.5-01: the session of whoever lost the race is one of the others."""
    ada = await accounts.signed_in()
    elsewhere = await ada.sign_in()
    left, right = await asyncio.gather(
        ada.post(PATH, json=change(new="left side passphrase")),
        elsewhere.post(PATH, json=change(new="right side passphrase")),
    )
    assert sorted([left.status_code, right.status_code]) == [204, 401], "the session of whoever was late has ended"
    winner = ada if left.status_code == 204 else elsewhere
    assert await living_sessions(runtime, ada) == {session_id_of(winner)}


@pytest.mark.settings(**FULL_HASHES)
async def test_a_changed_password_is_kept_in_the_form_of_today(accounts: Accounts, runtime: Runtime) -> None:
    """PW-09, PW-11."""
    ada = await accounts.signed_in()
    before = (await find_user(runtime, ada)).password_hash
    await ada.post(PATH, json=change(new=PASSWORD))
    after = str((await find_user(runtime, ada)).password_hash)
    assert after.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert after != before, "the same password gets a fresh salt"
