"""The passkeys of one's own account: seen, renamed and removed, by their owner alone, and never the last way in."""

from uuid import UUID

import httpx2
import pytest

from app.auth.identifiers import new_id
from app.models import AuditKind, Passkey, RecoveryCode
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.audit import event_of, events_of
from tests.authenticator import Authenticator
from tests.contention import at_once
from tests.factors import (
    Guarded,
    add_passkey,
    begin_sign_in,
    code_of,
    finish,
    forget_last_step,
    page_of,
    pending_of,
    with_app,
    with_passkey,
)
from tests.mailed.inbox import letters
from tests.passkeys.asking import OPTIONS, PASSKEYS, grow_old, passkeys_of, prove_address
from tests.rows import change_user, count, find_user, living_sessions
from tests.tokens import session_id_of


async def remove(person: Person, passkey_id: object) -> httpx2.Response:
    return await person.call("DELETE", f"{PASSKEYS}/{passkey_id}")


async def shown_to(person: Person) -> list[tuple[str, str]]:
    """Return ids and names of the passkeys that somebody sees."""
    listed = (await person.get(PASSKEYS)).json()
    assert listed == (await person.get("/auth/me/factors")).json()["passkeys"]
    return [(each["id"], each["name"]) for each in listed]


async def with_two(accounts: Accounts, runtime: Runtime) -> tuple[Person, list[UUID]]:
    """Return somebody with two passkeys, and their ids."""
    ada = (await with_passkey(accounts, runtime)).person
    await add_passkey(ada, Authenticator(page_of(runtime)), name="Other")
    return ada, [row.id for row in await passkeys_of(runtime, ada)]


async def test_a_passkey_is_its_owner_s(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> None:
    """3.5-09: nobody else sees, renames or removes it, or learns that it is there."""
    ada, (one, other) = await with_two(accounts, runtime)
    bob, admin = (await with_passkey(accounts, runtime)).person, await accounts.administrator()
    for person in (bob, admin):
        for passkey_id in (one, new_id(), UUID(int=0)):
            path = f"{PASSKEYS}/{passkey_id}"
            problem_of(await person.patch(path, json={"name": "Mine"}), 404, "NOT_FOUND")
            problem_of(await remove(person, passkey_id), 404, "NOT_FOUND")
        assert not {str(one), str(other)} & {each for each, _ in await shown_to(person)}
    assert await shown_to(ada) == [(str(one), "Device"), (str(other), "Other")]
    for method, path in (("GET", PASSKEYS), ("POST", OPTIONS), ("PATCH", f"{PASSKEYS}/{one}")):
        body = {"json": {"name": "Mine"}} if method == "PATCH" else {}
        problem_of(await client.request(method, API + path, **body), 401, "NOT_AUTHENTICATED")  # type: ignore[arg-type]
    problem_of(await client.request("DELETE", f"{API}{PASSKEYS}/{one}"), 401, "NOT_AUTHENTICATED")


async def test_a_passkey_gets_another_name(accounts: Accounts, runtime: Runtime) -> None:
    """For that nobody proves anything; it is audited, and nothing else of it changes."""
    ada, (one, other) = await with_two(accounts, runtime)
    await grow_old(runtime, ada)
    answer = await ada.patch(f"{PASSKEYS}/{one}", json={"name": " Telefon \u260e "})
    assert (answer.status_code, answer.json()["name"]) == (200, "Telefon \u260e")
    assert await shown_to(ada) == [(str(one), "Telefon \u260e"), (str(other), "Other")]
    assert (await event_of(runtime, AuditKind.PASSKEY_RENAMED)).detail == {"passkey_id": str(one)}


async def test_removing_one_asks_for_a_fresh_proof_ends_other_sessions_and_is_told(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-16, 3.5-09: somebody may have come in by it."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    await prove_address(runtime, ada.person)
    (row,) = await passkeys_of(runtime)
    second = await finish(
        client, await pending_of(client, ada.person), method="recovery_code", code=ada.recovery_codes[0]
    )
    elsewhere = Person(client, ada.person.id, ada.person.email, ada.person.password, second.json())
    pending = await pending_of(client, ada.person)
    read = len(await letters(runtime, ada.person))
    await grow_old(runtime, ada.person)
    problem_of(await remove(ada.person, row.id), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    assert (await remove(elsewhere, row.id)).status_code == 204
    assert await living_sessions(runtime, ada.person) == {session_id_of(elsewhere)}
    assert problem_of(await ada.person.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "way_in_removed"
    problem_of(
        await finish(client, pending, method="recovery_code", code=ada.recovery_codes[1]),
        400,
        "PENDING_SIGN_IN_INVALID",
    )
    (letter,) = (await letters(runtime, ada.person))[read:]
    assert "Device" in letter.text
    removed = await event_of(runtime, AuditKind.FACTOR_REMOVED)
    assert removed.detail == {"factor": "passkey", "factor_id": str(row.id), "name": "Device"}
    # It was the last second factor: nothing of them stays, and the password suffices again.
    assert [await count(runtime, Passkey), await count(runtime, RecoveryCode)] == [0, 0]
    assert not (await find_user(runtime, elsewhere)).has_second_factor
    assert (await begin_sign_in(client, elsewhere)).status_code == 200
    problem_of(await remove(elsewhere, row.id), 404, "NOT_FOUND")


async def test_without_a_password_the_last_passkey_stays(accounts: Accounts, runtime: Runtime) -> None:
    """WA-16, 3.4-01: the one before it may go; with a password all of them may."""
    ada, (one, other) = await with_two(accounts, runtime)
    password_hash = (await find_user(runtime, ada)).password_hash
    await change_user(runtime, ada, password_hash=None)
    assert (await remove(ada, one)).status_code == 204
    problem_of(await remove(ada, other), 409, "LAST_WAY_IN")
    assert [row.id for row in await passkeys_of(runtime)] == [other]
    assert (await find_user(runtime, ada)).has_second_factor
    assert (await event_of(runtime, AuditKind.FACTOR_REFUSED)).cause == "LAST_WAY_IN"
    await change_user(runtime, ada, password_hash=password_hash)
    assert (await remove(ada, other)).status_code == 204


async def test_of_two_passkeys_that_go_at_once_one_stays(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-01, WA-16: together the two removals would lock their owner out."""
    ada, ids = await with_two(accounts, runtime)
    await change_user(runtime, ada, password_hash=None)
    each = iter(ids)

    async def call() -> int:
        return (await remove(ada, next(each))).status_code

    assert sorted(await at_once(2, call)) == [204, 409]
    assert await count(runtime, Passkey) == 1


async def enrolled(client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime) -> Guarded:
    """Return somebody who had to get an app at their first sign-in."""
    person = await accounts.register()
    held = problem_of(await begin_sign_in(client, person), 403, "SECOND_FACTOR_REQUIRED")
    body = {"pending": held["pending"]}
    secret = (await client.post(f"{API}/auth/second-factor/totp", json=body)).json()["secret"]
    done = await client.post(f"{API}/auth/second-factor/totp/confirm", json={**body, "code": code_of(secret)})
    assert done.status_code == 200, done.text
    person.tokens = done.json()["session"]
    await forget_last_step(runtime)
    return Guarded(person, secret, done.json()["recovery_codes"])


@pytest.mark.settings(SECOND_FACTOR="required")
async def test_who_has_to_have_a_second_factor_keeps_the_last_one(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-16: whichever it is."""
    ada = (await enrolled(client, accounts, runtime)).person
    await add_passkey(ada, Authenticator(page_of(runtime)))
    assert (await ada.call("DELETE", "/auth/me/totp")).status_code == 204
    (row,) = await passkeys_of(runtime)
    problem = problem_of(await remove(ada, row.id), 409, "SECOND_FACTOR_NEEDED")
    assert problem["next_step"] == "add_second_factor"
    assert await count(runtime, Passkey) == 1
    assert [event.cause for event in await events_of(runtime, AuditKind.FACTOR_REFUSED)] == ["SECOND_FACTOR_NEEDED"]
    await add_passkey(ada, Authenticator(page_of(runtime)))
    assert (await remove(ada, row.id)).status_code == 204


@pytest.mark.settings(SECOND_FACTOR_ROLES=["admin"])
async def test_a_role_that_has_to_have_a_second_factor_keeps_the_last_one(accounts: Accounts, runtime: Runtime) -> None:
    """WA-16: and no other role."""
    ada, (one, other) = await with_two(accounts, runtime)
    await accounts.set_role(ada, "admin")
    assert (await remove(ada, one)).status_code == 204
    problem_of(await remove(ada, other), 409, "SECOND_FACTOR_NEEDED")
    await accounts.set_role(ada, "user")
    assert (await remove(ada, other)).status_code == 204


async def test_an_app_stays_a_second_factor_where_the_passkey_goes(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-16: the recovery codes stay as well."""
    ada = await with_app(accounts, runtime)
    await add_passkey(ada.person, Authenticator(page_of(runtime)))
    (row,) = await passkeys_of(runtime)
    assert (await remove(ada.person, row.id)).status_code == 204
    held = problem_of(await begin_sign_in(client, ada.person), 403, "SECOND_FACTOR_REQUIRED")
    assert held["factors"] == ["totp", "recovery_code"]
