"""Somebody adds a passkey to their account: who may, what is kept of it, and what is refused."""

import cbor2
import httpx2
import pytest

from app.models import AuditKind, Passkey, RecoveryCode, SpentCeremony
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import field_error_of, problem_of
from tests.audit import event_of, events_of
from tests.authenticator import (
    AAGUID,
    AT,
    BE,
    BS,
    ED,
    EDDSA,
    ES256,
    RS256,
    UP,
    Authenticator,
    InvalidState,
    Quirks,
    cose_members,
    decode,
    encode,
    new_key,
)
from tests.contention import at_once
from tests.cookies import OWN_PAGE
from tests.factors import (
    Answer,
    add_passkey,
    enrol_app,
    page_of,
    pending_of,
    sign_in_with_passkey,
    with_app,
    with_passkey,
)
from tests.mailed.inbox import letters
from tests.passkeys.asking import (
    OPTIONS,
    PASSKEYS,
    add_rows,
    asked_to_register,
    grow_old,
    passkeys_of,
    prove_address,
    with_id,
)
from tests.rows import count, find_user
from tests.tokens import access_claims

REFUSED = (403, "PASSKEY_REFUSED")


async def test_a_record_keeps_what_the_device_said(accounts: Accounts, runtime: Runtime) -> None:
    """WA-13: and not the word of the page around it."""
    ada, device = await accounts.signed_in(), Authenticator(page_of(runtime), transports=("usb", "nfc"))
    answer = await add_passkey(ada, device, name="  My key ")
    (row,) = await passkeys_of(runtime, ada)
    (held,) = device.held
    assert (row.credential_id, row.public_key) == (held.id, device.public_key())
    assert (row.sign_count, row.transports, row.aaguid.bytes) == (0, "nfc usb", AAGUID)
    assert (row.is_uv_initialized, row.is_backup_eligible, row.is_backed_up) == (True, True, True)
    assert (row.name, row.last_used_at) == ("My key", None)
    assert answer["passkey"]["id"] == str(row.id)
    assert answer["passkey"].keys().isdisjoint({"credential_id", "public_key", "user_handle", "sign_count"})


async def test_a_record_of_a_device_that_verifies_nobody_and_shares_nothing_says_so(
    accounts: Accounts, runtime: Runtime
) -> None:
    """WA-13."""
    ada = await accounts.signed_in()
    device = Authenticator(page_of(runtime), verifies_user=False, is_synced=False)
    begun = await asked_to_register(ada)
    assert (await ada.post(PASSKEYS, json=begun.body(device, Quirks(counter=2**32 - 1), name="Key"))).status_code == 201
    (row,) = await passkeys_of(runtime, ada)
    assert (row.is_uv_initialized, row.is_backup_eligible, row.is_backed_up) == (False, False, False)
    assert row.sign_count == 2**32 - 1


async def test_a_new_passkey_is_told_and_proves_its_user(accounts: Accounts, runtime: Runtime) -> None:
    """WA-16, SE-04: the first factor brings recovery codes, no other one does."""
    ada = await accounts.signed_in()
    await prove_address(runtime, ada)
    first = await add_passkey(ada, Authenticator(page_of(runtime)), name="One")
    assert len(first["recovery_codes"]) == 10
    assert {"swk", "uv", "mfa"} <= set(access_claims(first["session"]["access_token"])["amr"])
    second = await add_passkey(ada, Authenticator(page_of(runtime)), name="Two")
    assert second["recovery_codes"] is None
    assert await count(runtime, RecoveryCode) == 10
    assert (await find_user(runtime, ada)).has_second_factor
    names = [event.detail and event.detail["name"] for event in await events_of(runtime, AuditKind.FACTOR_ADDED)]
    assert names == ["One", "Two"]
    told = [letter.text for letter in await letters(runtime, ada, "security_notice")]
    assert ["One" in told[0], "Two" in told[1]] == [True, True]
    assert len(told) == 2


async def test_an_account_is_known_to_its_passkeys_by_random_bytes(accounts: Accounts, runtime: Runtime) -> None:
    """WA-17: 32 of them, of no personal data, the same for all passkeys of an account and for no other account."""
    ada, bob = await accounts.signed_in("ada.lovelace@example.com", name="Ada"), await accounts.signed_in()
    handles = [decode((await asked_to_register(ada)).options["user"]["id"]) for _ in range(2)]
    device = Authenticator(page_of(runtime))
    await add_passkey(ada, device)
    await add_passkey(ada, Authenticator(page_of(runtime)))
    user = (await asked_to_register(ada)).options["user"]
    of_ada, of_bob = decode(user["id"]), decode((await asked_to_register(bob)).options["user"]["id"])
    assert {*handles, device.held[0].user_handle} == {of_ada}
    assert [len(of_ada), len(of_bob)] == [32, 32]
    assert of_ada != of_bob
    assert (user["name"], user["displayName"]) == ("ada.lovelace@example.com", "Ada")
    await add_passkey(bob, Authenticator(page_of(runtime)))
    shown = (await bob.get("/auth/me/factors")).text + (await bob.get("/auth/me")).text
    assert encode(of_bob) not in shown


async def test_a_device_that_holds_one_is_told_to_make_no_second(accounts: Accounts, runtime: Runtime) -> None:
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    device = Authenticator(page_of(runtime), transports=("usb",))
    await add_passkey(ada, device)
    begun = await asked_to_register(ada)
    held = {"type": "public-key", "id": encode(device.held[0].id), "transports": ["usb"]}
    assert begun.options["excludeCredentials"] == [held]
    with pytest.raises(InvalidState):
        begun.body(device)
    assert (await asked_to_register(bob)).options["excludeCredentials"] == []


# Who may.


async def test_only_who_has_just_proved_who_they_are_adds_a_passkey(accounts: Accounts, runtime: Runtime) -> None:
    """WA-14: neither begins nor finishes, and a proof of one factor is none where the account has two."""
    ada = await accounts.signed_in()
    body = (await asked_to_register(ada)).body(Authenticator(page_of(runtime)), name="Key")
    await grow_old(runtime, ada)
    for path, sent in ((OPTIONS, None), (PASSKEYS, body)):
        problem_of(await ada.post(path, json=sent), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    again = await ada.post("/auth/reauthenticate", json={"password": ada.password})
    by_password = Person(ada.http, ada.id, ada.email, ada.password, {**ada.tokens, **again.json()})
    await enrol_app(await ada.sign_in())
    for path, sent in ((OPTIONS, None), (PASSKEYS, body)):
        problem_of(await by_password.post(path, json=sent), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    assert await passkeys_of(runtime) == []


async def test_a_sign_in_that_lacks_a_second_factor_adds_no_passkey(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-14, 3.5-04: neither as a token nor as a cookie."""
    ada = await with_app(accounts, runtime)
    body = (await asked_to_register(ada.person)).body(Authenticator(page_of(runtime)), name="Key")
    pending = await pending_of(client, ada.person)
    form = {"username": ada.person.email, "password": ada.person.password}
    held = await client.post(f"{API}/auth/login?transport=cookie", data=form, headers=OWN_PAGE)
    kept = held.headers["set-cookie"].partition(";")[0]
    for path, sent in ((OPTIONS, None), (PASSKEYS, body)):
        bearer = {"Authorization": f"Bearer {pending}"}
        problem_of(await client.post(API + path, json=sent, headers=bearer), 401, "TOKEN_INVALID")
        problem_of(
            await client.post(API + path, json=sent, headers={**OWN_PAGE, "Cookie": kept}), 401, "NOT_AUTHENTICATED"
        )
    assert await passkeys_of(runtime) == []


# What is refused.

WRONG: dict[str, tuple[Quirks, str]] = {
    "another page": (Quirks(origin="https://evil.example"), "origin"),
    "another port": (Quirks(origin="http://localhost:8001"), "origin"),
    "an embedded page": (Quirks(cross_origin=True), "cross_origin"),
    "an answer to a sign-in": (Quirks(type="webauthn.get"), "type"),
    "another challenge": (Quirks(challenge=bytes(32)), "challenge"),
    "another relying party": (Quirks(rp_id="example.com"), "rp_id"),
    "nobody there": (Quirks(clear_flags=UP), "user_presence"),
    "backed up and not eligible": (Quirks(clear_flags=BE, set_flags=BS), "backup_flags"),
    "no passkey in it": (Quirks(is_attested=False), "malformed"),
    "a flag of a passkey that is not there": (Quirks(is_attested=False, set_flags=AT), "malformed"),
    "extensions that are not there": (Quirks(set_flags=ED), "malformed"),
    "something behind": (Quirks(trailing=b"\x00"), "malformed"),
    "another id inside": (Quirks(attested_id=b"other"), "credential_id"),
}


async def test_a_wrong_answer_adds_nothing_and_is_not_told_why(accounts: Accounts, runtime: Runtime) -> None:
    """WA-02, WA-03, WA-04, WA-05, WA-06, WA-09: the audit log learns the reason. The question may still be answered."""
    ada, device = await accounts.signed_in(), Authenticator(page_of(runtime))
    begun = await asked_to_register(ada)
    answers = set()
    for quirks, _ in WRONG.values():
        refused = await ada.post(PASSKEYS, json=begun.body(device, quirks, name="Key"))
        problem = problem_of(refused, *REFUSED)
        answers.add(str({name: value for name, value in problem.items() if name != "request_id"}))
    assert len(answers) == 1
    causes = [event.cause for event in await events_of(runtime, AuditKind.FACTOR_REFUSED)]
    assert dict(zip(WRONG, causes, strict=True)) == {name: reason for name, (_, reason) in WRONG.items()}
    assert [await passkeys_of(runtime), await count(runtime, SpentCeremony)] == [[], 0]
    assert not (await find_user(runtime, ada)).has_second_factor
    assert (await ada.post(PASSKEYS, json=begun.body(device, name="Key"))).status_code == 201


async def test_an_algorithm_that_nobody_asked_for_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """WA-07: a page that has changed the question, or a device that does not heed it."""
    ada, device = await accounts.signed_in(), Authenticator(page_of(runtime))
    begun = await asked_to_register(ada)
    sha1 = cbor2.dumps({**cose_members(new_key(RS256)), 3: -65535})
    problem_of(await ada.post(PASSKEYS, json=begun.body(device, Quirks(public_key=sha1), name="Key")), *REFUSED)
    assert (await event_of(runtime, AuditKind.FACTOR_REFUSED)).cause == "algorithm"
    assert await passkeys_of(runtime) == []


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@pytest.mark.only("sqlite")
async def test_each_algorithm_registers_and_signs_in(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime, algorithm: int
) -> None:
    """WA-07, WA-11."""
    ada = await with_passkey(accounts, runtime, Authenticator(page_of(runtime), algorithms=[algorithm]))
    assert ada.device
    assert (await sign_in_with_passkey(client, ada.device)).status_code == 200


async def test_a_passkey_that_anybody_has_is_nobody_else_s(accounts: Accounts, runtime: Runtime) -> None:
    """WA-09: neither on another account nor once more on the same one."""
    ada, bob = await accounts.signed_in(), await accounts.signed_in()
    device = Authenticator(page_of(runtime))
    await add_passkey(ada, device)
    before = [(row.id, row.user_id, row.public_key) for row in await passkeys_of(runtime)]
    taken = device.held[0].id
    for person in (bob, ada):
        body = (await asked_to_register(person)).body(
            Authenticator(page_of(runtime)), Quirks(attested_id=taken), name="Key"
        )
        body["credential"] = with_id(body["credential"], encode(taken))
        problem_of(await person.post(PASSKEYS, json=body), *REFUSED)
    assert [(row.id, row.user_id, row.public_key) for row in await passkeys_of(runtime)] == before
    assert {event.cause for event in await events_of(runtime, AuditKind.FACTOR_REFUSED)} == {"credential_id"}
    assert not (await find_user(runtime, bob)).has_second_factor


async def test_one_passkey_that_two_accounts_register_at_once_is_of_one(accounts: Accounts, runtime: Runtime) -> None:
    """WA-09: the index decides."""
    people = [await accounts.signed_in(), await accounts.signed_in()]
    bodies: list[Answer] = []
    for person in people:
        body = (await asked_to_register(person)).body(
            Authenticator(page_of(runtime)), Quirks(attested_id=b"the same"), name="Key"
        )
        body["credential"] = with_id(body["credential"], encode(b"the same"))
        bodies.append(body)
    both = iter(zip(people, bodies, strict=True))

    async def add() -> int:
        person, body = next(both)
        return (await person.post(PASSKEYS, json=body)).status_code

    assert sorted(await at_once(2, add)) == [201, 403]
    assert await count(runtime, Passkey) == 1


async def test_an_account_has_twenty_passkeys_at_most(accounts: Accounts, runtime: Runtime) -> None:
    """Two that are added at once do not pass the bound together."""
    ada = (await with_passkey(accounts, runtime)).person
    await add_rows(runtime, ada, 18)
    each = iter([(await asked_to_register(ada)).body(Authenticator(page_of(runtime)), name="Key") for _ in range(2)])

    async def add() -> tuple[int, str]:
        answer = await ada.post(PASSKEYS, json=next(each))
        return answer.status_code, answer.json().get("code", "")

    assert sorted(await at_once(2, add)) == [(201, ""), (409, "TOO_MANY_PASSKEYS")]
    assert await count(runtime, Passkey) == 20
    problem_of(await ada.post(OPTIONS), 409, "TOO_MANY_PASSKEYS")


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\u202eb", "a\x00b"])
@pytest.mark.only("sqlite")
async def test_a_name_is_one_line_of_readable_text(accounts: Accounts, runtime: Runtime, name: str) -> None:
    """Of a new passkey, and of one that gets another name."""
    ada = await accounts.signed_in()
    body = (await asked_to_register(ada)).body(Authenticator(page_of(runtime)), name=name)
    assert field_error_of(await ada.post(PASSKEYS, json=body))[0] == "/name"
    answer = await ada.post(PASSKEYS, json={**body, "name": "Key"})
    path = f"{PASSKEYS}/{answer.json()['passkey']['id']}"
    assert field_error_of(await ada.patch(path, json={"name": name}))[0] == "/name"
    assert [row.name for row in await passkeys_of(runtime)] == ["Key"]
