"""Signing in with a passkey: nobody is told why theirs is not taken, and the audit log is."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import delete, select

from app.models import AuditKind, Passkey, Session
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.audit import event_of, events_of
from tests.authenticator import BE, BS, UP, UV, Authenticator, Quirks, encode
from tests.contention import at_once, uncommitted, waiting_for_a_lock
from tests.factors import Guarded, add_passkey, finish, page_of, sign_in_with_passkey, with_passkey
from tests.mailed.inbox import letters
from tests.passkeys.asking import (
    PASSKEYS,
    asked_to_sign_in,
    change_passkeys,
    fixed,
    passkeys_of,
    prove_address,
    sign_in,
    with_id,
)
from tests.rows import change_user, count, living_sessions
from tests.tokens import access_claims

REFUSED = (403, "PASSKEY_REFUSED")

WRONG: dict[str, tuple[Quirks, str]] = {
    "another page": (Quirks(origin="https://evil.example"), "origin"),
    "a page without https": (Quirks(origin="http://127.0.0.1:8000"), "origin"),
    "an embedded page": (Quirks(cross_origin=True), "cross_origin"),
    "the page around it": (Quirks(client_data={"topOrigin": "https://evil.example"}), "cross_origin"),
    "an answer to a registration": (Quirks(type="webauthn.create"), "type"),
    "another challenge": (Quirks(challenge=bytes(32)), "challenge"),
    "another relying party": (Quirks(rp_id="example.com"), "rp_id"),
    "nobody there": (Quirks(clear_flags=UP), "user_presence"),
    "no longer eligible for backup": (Quirks(clear_flags=BE | BS), "backup_flags"),
    "backed up and not eligible": (Quirks(clear_flags=BE), "backup_flags"),
    "a broken signature": (Quirks(break_signature=True), "signature"),
    "nobody named": (Quirks(without_user_handle=True), "user_handle"),
    "somebody else named": (Quirks(user_handle=bytes(32)), "user_handle"),
    "something behind": (Quirks(trailing=b"\x00"), "malformed"),
}


def told(response: httpx2.Response) -> dict[str, Any]:
    """Return all that a refused one learns, without the request's id."""
    return {name: value for name, value in problem_of(response, *REFUSED).items() if name != "request_id"}


async def test_a_wrong_answer_signs_nobody_in_and_is_not_told_why(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-02, WA-03, WA-04, WA-05, WA-06, WA-10, WA-11, WA-15: no session, the counter where it was, one answer to all.

    It is the answer to an unknown passkey as well. The audit log learns the reason. The question may still be answered.
    """
    ada, device = await with_passkey(accounts, runtime), fixed(runtime)
    device.is_synced = True
    await add_passkey(ada.person, device)
    rows = await runtime.database.read.all(select(Passkey.__table__).order_by(Passkey.id))
    sessions, begun = await count(runtime, Session), await asked_to_sign_in(client)
    answers = [told(await sign_in(client, begun.body(device, quirks))) for quirks, _ in WRONG.values()]
    unknown = begun.body(device)
    unknown["credential"] = with_id(unknown["credential"], encode(bytes(32)))
    answers.append(told(await sign_in(client, unknown)))
    assert answers[1:] == answers[:-1]
    refused = await events_of(runtime, AuditKind.SIGN_IN_FAILED)
    assert [event.cause for event in refused] == [*(reason for _, reason in WRONG.values()), "credential_id"]
    assert {event.target_id for event in refused[:-1]} == {UUID(ada.person.id)}
    assert refused[-1].target_id is None
    assert await runtime.database.read.all(select(Passkey.__table__).order_by(Passkey.id)) == rows
    assert await count(runtime, Session) == sessions
    assert (await sign_in(client, begun.body(device))).status_code == 200


async def test_the_id_of_a_passkey_is_said_in_one_way(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-11: `id` is `rawId`, or there is no session, whichever of them is right."""
    ada, bob = await with_passkey(accounts, runtime), await with_passkey(accounts, runtime)
    assert ada.device
    assert bob.device
    other = encode(bob.device.held[0].id)
    sessions, begun = await count(runtime, Session), await asked_to_sign_in(client)
    body = begun.body(ada.device)
    mine = body["credential"]
    for credential in (
        {**mine, "id": other},
        {**mine, "rawId": other},
        {**mine, "id": mine["id"] + "="},
        {**mine, "id": mine["id"] + "=", "rawId": mine["id"] + "="},
        with_id(mine, other),
        with_id(mine, ""),
    ):
        problem_of(await sign_in(client, {**body, "credential": credential}), *REFUSED)
    assert await count(runtime, Session) == sessions


async def test_a_passkey_says_how_it_was_proved(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-05, WA-13: a session by one that verified its user is one of two factors; its use is noted."""
    ada = await with_passkey(accounts, runtime, fixed(runtime))
    assert ada.device
    done = await sign_in_with_passkey(client, ada.device)
    assert access_claims(done.json()["access_token"])["amr"] == ["hwk", "uv", "mfa"]
    (row,) = await passkeys_of(runtime)
    assert (row.sign_count, row.last_used_at is not None) == (1, True)
    ((shown),) = (await ada.person.get(PASSKEYS)).json()
    assert shown["last_used_at"]


async def test_without_user_verification_a_passkey_is_one_factor(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-05: the server decides by what is signed. Neither the same passkey nor another one is a second factor then."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    before, begun = await count(runtime, Session), await asked_to_sign_in(client)
    held = await sign_in(client, begun.body(ada.device, Quirks(clear_flags=UV)))
    problem = problem_of(held, 403, "SECOND_FACTOR_REQUIRED")
    assert problem["factors"] == ["recovery_code", "password"]
    again = (await asked_to_sign_in(client)).body(ada.device)
    problem_of(await finish(client, problem["pending"], method="passkey", **again), 403, "SECOND_FACTOR_WRONG")
    assert await count(runtime, Session) == before
    done = await finish(client, problem["pending"], method="password", password=ada.person.password)
    assert access_claims(done.json()["access_token"])["amr"] == ["swk", "pwd", "mfa"]


async def test_whether_a_passkey_is_backed_up_may_change(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-06: and is kept; whether it can be may not."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    for quirks, expected in ((Quirks(clear_flags=BS), False), (Quirks(), True)):
        done = await sign_in(client, (await asked_to_sign_in(client)).body(ada.device, quirks))
        assert done.status_code == 200, done.text
        assert [row.is_backed_up for row in await passkeys_of(runtime)] == [expected]
    await change_passkeys(runtime, is_backup_eligible=False)
    problem_of(await sign_in_with_passkey(client, ada.device), *REFUSED)


# Who is out.


async def test_a_disabled_user_does_not_come_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """Also where the passkey is right."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    await change_user(runtime, ada.person, is_active=False)
    before = await count(runtime, Session)
    problem_of(await sign_in_with_passkey(client, ada.device), 401, "INVALID_CREDENTIALS")
    assert await count(runtime, Session) == before


async def test_a_removed_passkey_is_an_unknown_one(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-10: also where the question was put before."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    begun = await asked_to_sign_in(client)
    (row,) = await passkeys_of(runtime)
    assert (await ada.person.call("DELETE", f"{PASSKEYS}/{row.id}")).status_code == 204
    refused = told(await sign_in(client, begun.body(ada.device)))
    stranger = Authenticator(page_of(runtime))
    await add_passkey(await accounts.signed_in(), stranger)
    unknown = begun.body(stranger)
    unknown["credential"] = with_id(unknown["credential"], encode(b"nobody's"))
    assert told(await sign_in(client, unknown)) == refused


async def test_a_sign_in_that_a_passkey_began_ends_with_the_passkey(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-04: what it proved is worth nothing any more."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    begun = await asked_to_sign_in(client)
    held = problem_of(
        await sign_in(client, begun.body(ada.device, Quirks(clear_flags=UV))), 403, "SECOND_FACTOR_REQUIRED"
    )
    (row,) = await passkeys_of(runtime)
    assert (await ada.person.call("DELETE", f"{PASSKEYS}/{row.id}")).status_code == 204
    late = await finish(client, held["pending"], method="password", password=ada.person.password)
    problem_of(late, 400, "PENDING_SIGN_IN_INVALID")


@pytest.mark.only("postgresql")
async def test_a_passkey_that_is_removed_meanwhile_is_refused_and_is_no_copy(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-12: its owner is not frightened by a mail about a copy that nobody has."""
    ada = await with_passkey(accounts, runtime, fixed(runtime))
    assert ada.device
    await prove_address(runtime, ada.person)
    body = (await asked_to_sign_in(client)).body(ada.device)
    async with uncommitted(runtime, delete(Passkey)):
        task = await waiting_for_a_lock(runtime, sign_in(client, body))
    told(await task)
    assert await events_of(runtime, AuditKind.PASSKEY_COUNTER_FELL) == []
    assert await letters(runtime, ada.person) == []


# Counters.


async def counting(accounts: Accounts, runtime: Runtime) -> tuple[Guarded, Authenticator]:
    """Return somebody whose address is proved, and their device, which has signed in five times."""
    device = fixed(runtime)
    ada = await with_passkey(accounts, runtime, device)
    await prove_address(runtime, ada.person)
    device.held[0].counter = 5
    await change_passkeys(runtime, sign_count=5)
    return ada, device


@pytest.mark.parametrize("presented", [5, 4, 0])
async def test_a_counter_that_does_not_grow_is_refused_and_told(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, presented: int
) -> None:
    """WA-12: there may be a copy. The counter stays, so that the one that is ahead still works."""
    ada, device = await counting(accounts, runtime)
    before = await count(runtime, Session)
    begun = await asked_to_sign_in(client)
    told(await sign_in(client, begun.body(device, Quirks(counter=presented))))
    assert await count(runtime, Session) == before
    (row,) = await passkeys_of(runtime)
    assert (row.sign_count, row.last_used_at) == (5, None)
    fell = await event_of(runtime, AuditKind.PASSKEY_COUNTER_FELL)
    assert fell.target_id == UUID(ada.person.id)
    assert fell.detail == {"passkey_id": str(row.id), "stored": 5, "presented": presented}
    assert (await event_of(runtime, AuditKind.SIGN_IN_FAILED)).cause == "counter"
    (letter,) = await letters(runtime, ada.person, "security_notice")
    assert "Device" in letter.text
    # The answer was a right one, so its question is spent.
    told(await sign_in(client, begun.body(device, Quirks(counter=9))))
    device.held[0].counter = 5
    assert (await sign_in_with_passkey(client, device)).status_code == 200


async def test_of_two_copies_at_once_one_is_found_out(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-12: each answers its own question, with the same counter."""
    ada, device = await counting(accounts, runtime)
    begun = [await asked_to_sign_in(client) for _ in range(4)]
    bodies = iter([each.body(device, Quirks(counter=6)) for each in begun])

    async def call() -> int:
        return (await sign_in(client, next(bodies))).status_code

    assert sorted(await at_once(4, call)) == [200, 403, 403, 403]
    assert [row.sign_count for row in await passkeys_of(runtime)] == [6]
    assert len(await events_of(runtime, AuditKind.PASSKEY_COUNTER_FELL)) == 3
    assert len(await living_sessions(runtime, ada.person)) == 2


async def test_a_device_that_does_not_count_signs_in_again_and_again(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-12: synced passkeys stay at zero. One that has begun to count does not go back to it."""
    ada = await with_passkey(accounts, runtime)
    assert ada.device
    for quirks in (Quirks(), Quirks(), Quirks(counter=2**32 - 1)):
        done = await sign_in(client, (await asked_to_sign_in(client)).body(ada.device, quirks))
        assert done.status_code == 200, done.text
    told(await sign_in_with_passkey(client, ada.device))
    assert [row.sign_count for row in await passkeys_of(runtime)] == [2**32 - 1]


async def test_a_wrong_answer_with_an_old_counter_accuses_nobody(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-12: or a stranger could have users warned of copies."""
    ada, device = await counting(accounts, runtime)
    begun = await asked_to_sign_in(client)
    told(await sign_in(client, begun.body(device, Quirks(counter=1, break_signature=True))))
    assert await events_of(runtime, AuditKind.PASSKEY_COUNTER_FELL) == []
    assert await letters(runtime, ada.person) == []
    # Nor is a right answer twice a copy.
    body = begun.body(device, Quirks(counter=6))
    assert (await sign_in(client, body)).status_code == 200
    told(await sign_in(client, body))
    assert await events_of(runtime, AuditKind.PASSKEY_COUNTER_FELL) == []
