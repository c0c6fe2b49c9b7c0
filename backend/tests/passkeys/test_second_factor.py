"""A passkey as a second factor, and as a fresh proof within a session: one of the account's own, and no other."""

import httpx2
import pytest
from sqlalchemy import select

from app.models import AuditKind, Passkey, Session
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import problem_of
from tests.audit import event_of, events_of
from tests.authenticator import UP, UV, Authenticator, Quirks, encode
from tests.factors import Guarded, add_passkey, finish, page_of, pending_of, with_app, with_passkey
from tests.mailed.inbox import letters
from tests.passkeys.asking import (
    PASSKEYS,
    Asked,
    asked_again,
    asked_for_second_factor,
    asked_to_sign_in,
    change_passkeys,
    fixed,
    grow_old,
    passkeys_of,
    prove_address,
    with_id,
)
from tests.rows import count
from tests.tokens import access_claims

REFUSED = (403, "PASSKEY_REFUSED")
OTHERS = ("with their own question", "named as one's own")


def ids_in(begun: Asked) -> list[str]:
    return [each["id"] for each in begun.options["allowCredentials"]]


def as_other(begun: Asked, bob: Guarded, ada: Guarded, how: str) -> dict[str, object]:
    """Return the answer of somebody else's passkey to a question to `ada`, as it is or under the name of hers."""
    assert bob.device
    assert ada.device
    question = Asked({**begun.options, "allowCredentials": []}, begun.ceremony)
    handle = ada.device.held[0].user_handle
    if how == OTHERS[0]:
        return question.body(bob.device)
    body = question.body(bob.device, Quirks(user_handle=handle))
    return {**body, "credential": with_id(body["credential"], encode(ada.device.held[0].id))}


async def test_the_account_s_own_passkeys_are_asked_for(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-10: all of them, and nobody else's, at the gate and within a session; not of a sign-in without an account."""
    ada, bob = await with_passkey(accounts, runtime), await with_passkey(accounts, runtime)
    await add_passkey(ada.person, Authenticator(page_of(runtime), transports=("usb",)))
    mine = [encode(row.credential_id) for row in await passkeys_of(runtime, ada.person)]
    assert len(mine) == 2
    at_gate = await asked_for_second_factor(client, await pending_of(client, ada.person))
    assert ids_in(at_gate) == ids_in(await asked_again(ada.person)) == mine
    assert [each["transports"] for each in at_gate.options["allowCredentials"]] == [["hybrid", "internal"], ["usb"]]
    assert set(mine).isdisjoint(ids_in(await asked_again(bob.person)))
    assert ids_in(await asked_to_sign_in(client)) == []


@pytest.mark.parametrize("how", OTHERS)
async def test_the_passkey_of_another_account_finishes_no_sign_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, how: str
) -> None:
    """WA-10, 3.5-04: nothing of the other account changes either. A try of this sign-in is gone."""
    ada, bob = await with_passkey(accounts, runtime), await with_passkey(accounts, runtime)
    before = await runtime.database.read.all(select(Passkey.__table__).order_by(Passkey.id))
    sessions, pending = await count(runtime, Session), await pending_of(client, ada.person)
    begun = await asked_for_second_factor(client, pending)
    for _ in range(5):
        problem_of(await finish(client, pending, method="passkey", **as_other(begun, bob, ada, how)), *REFUSED)
    assert {event.cause for event in await events_of(runtime, AuditKind.SIGN_IN_CONTINUED)} <= {
        "credential_id",
        "signature",
    }
    assert ada.device
    late = await finish(client, pending, method="passkey", **begun.body(ada.device))
    problem_of(late, 400, "PENDING_SIGN_IN_INVALID")
    assert await runtime.database.read.all(select(Passkey.__table__).order_by(Passkey.id)) == before
    assert await count(runtime, Session) == sessions


@pytest.mark.parametrize("how", OTHERS)
async def test_the_passkey_of_another_account_is_no_fresh_proof(accounts: Accounts, runtime: Runtime, how: str) -> None:
    """WA-10."""
    ada, bob = await with_passkey(accounts, runtime), await with_passkey(accounts, runtime)
    body = as_other(await asked_again(ada.person), bob, ada, how)
    problem_of(await ada.person.post("/auth/reauthenticate", json={"method": "passkey", **body}), *REFUSED)
    assert (await event_of(runtime, AuditKind.SESSION_PROOF_REFUSED)).detail == {"method": "passkey"}


async def test_a_passkey_that_cannot_be_found_is_a_second_factor(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-10: where the account is known beforehand the answer need not name it. It asks for nobody's PIN there either."""
    device = Authenticator(page_of(runtime), keeps_discoverable=False, verifies_user=False, is_synced=False)
    ada = await with_passkey(accounts, runtime, device)
    pending = await pending_of(client, ada.person)
    body = (await asked_for_second_factor(client, pending)).body(device)
    assert "userHandle" not in body["credential"]["response"]
    done = await finish(client, pending, method="passkey", **body)
    assert access_claims(done.json()["access_token"])["amr"] == ["pwd", "hwk", "mfa"]


@pytest.mark.parametrize(
    ("quirks", "cause"),
    [
        (Quirks(user_handle=bytes(32)), "user_handle"),
        (Quirks(clear_flags=UP), "user_presence"),
        (Quirks(break_signature=True), "signature"),
        (Quirks(counter=5), "counter"),
    ],
    ids=["somebody else named", "nobody there", "broken signature", "old counter"],
)
async def test_a_wrong_answer_is_refused_at_the_gate_and_within_a_session(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, quirks: Quirks, cause: str
) -> None:
    """WA-05, WA-10, WA-11, WA-12: with one word for all of them. The audit log says which."""
    device = fixed(runtime)
    ada = await with_passkey(accounts, runtime, device)
    await prove_address(runtime, ada.person)
    await change_passkeys(runtime, sign_count=5)
    sessions, pending = await count(runtime, Session), await pending_of(client, ada.person)
    body = (await asked_for_second_factor(client, pending)).body(device, quirks)
    at_gate = problem_of(await finish(client, pending, method="passkey", **body), *REFUSED)
    body = (await asked_again(ada.person)).body(device, quirks)
    again = problem_of(await ada.person.post("/auth/reauthenticate", json={"method": "passkey", **body}), *REFUSED)
    assert {**at_gate, "request_id": ""} == {**again, "request_id": ""}
    assert (await event_of(runtime, AuditKind.SIGN_IN_CONTINUED)).cause == cause
    assert (await event_of(runtime, AuditKind.SESSION_PROOF_REFUSED)).cause == cause
    assert await count(runtime, Session) == sessions
    assert [row.sign_count for row in await passkeys_of(runtime)] == [5]
    assert len(await events_of(runtime, AuditKind.PASSKEY_COUNTER_FELL)) == (2 if cause == "counter" else 0)
    assert len(await letters(runtime, ada.person)) == (2 if cause == "counter" else 0)


async def test_who_has_no_passkey_proves_nothing_by_one(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-10: neither is one asked for, nor does the answer to somebody else's question do."""
    ada, bob = await with_app(accounts, runtime), await with_passkey(accounts, runtime)
    assert bob.device
    pending = await pending_of(client, ada.person)
    path = f"{API}/auth/second-factor/passkey/options"
    problem_of(await client.post(path, json={"pending": pending}), 403, "SECOND_FACTOR_WRONG")
    body = (await asked_for_second_factor(client, await pending_of(client, bob.person))).body(bob.device)
    problem_of(await finish(client, pending, method="passkey", **body), 403, "SECOND_FACTOR_WRONG")
    body = (await asked_again(ada.person)).body(bob.device)
    problem_of(await ada.person.post("/auth/reauthenticate", json={"method": "passkey", **body}), *REFUSED)


async def test_a_passkey_is_a_fresh_proof(accounts: Accounts, runtime: Runtime) -> None:
    """WA-16, SE-04: also one that does not verify its user, in a session that has a first factor."""
    device = Authenticator(page_of(runtime), verifies_user=True)
    ada = await with_passkey(accounts, runtime, device)
    await grow_old(runtime, ada.person)
    (row,) = await passkeys_of(runtime)
    path = f"{PASSKEYS}/{row.id}"
    problem_of(await ada.person.call("DELETE", path), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    body = (await asked_again(ada.person)).body(device, Quirks(clear_flags=UV))
    proved = await ada.person.post("/auth/reauthenticate", json={"method": "passkey", **body})
    assert access_claims(proved.json()["access_token"])["amr"] == ["pwd", "swk", "mfa"]
    ada.person.tokens["access_token"] = proved.json()["access_token"]
    assert (await ada.person.call("DELETE", path)).status_code == 204
