"""Registration: what it accepts, what it answers, and that one address makes one account."""

import re

import httpx2
import pytest

from app.models import User
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.answers import (
    CANARY,
    check_nothing_repeated,
    field_error_of,
    field_errors_of,
    problem_of,
    without_request_id,
)
from tests.conftest import FULL_HASHES
from tests.contention import at_once
from tests.rows import count, everything, find_user

REGISTER = f"{API}/auth/register"


def body(**changes: object) -> dict[str, object]:
    return {"email": "ada@example.com", "password": PASSWORD, **changes}


async def test_the_answer_is_the_account_without_anything_secret(client: httpx2.AsyncClient) -> None:
    """S12, S14, S15, 3.8-02: the account as it was stored, and no hash."""
    response = await client.post(REGISTER, json=body(full_name="Ada Lovelace"))
    assert response.status_code == 201
    account = response.json()
    assert set(account) == {"id", "email", "email_verified", "full_name", "locale", "is_active", "role", "created_at"}
    assert account["email"] == "ada@example.com"
    assert account["full_name"] == "Ada Lovelace"
    assert account["is_active"] is True
    assert account["role"] == "user"
    assert account["created_at"].endswith("Z")
    assert "argon2" not in response.text
    assert response.headers["cache-control"] == "no-store"


async def test_the_id_tells_nothing_about_how_many_accounts_there_are(accounts: Accounts) -> None:
    """S16: ids are UUIDs of version 7, not numbers that can be walked."""
    ids = [(await accounts.register()).id for _ in range(3)]
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", i) for i in ids)
    assert len(set(ids)) == 3


@pytest.mark.settings(**FULL_HASHES)
async def test_the_password_is_stored_as_argon2id_with_the_advised_work(accounts: Accounts, runtime: Runtime) -> None:
    """S29, PW-09, PW-10."""
    ada, bob = await accounts.register(), await accounts.register()
    hashes = [str((await find_user(runtime, person)).password_hash) for person in (ada, bob)]
    assert all(stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for stored in hashes)
    assert hashes[0] != hashes[1], "equal passwords have different salts"


async def test_a_field_that_nobody_may_set_is_refused(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S22, 3.8-01: mass assignment is an error, not a wish that is silently dropped."""
    extra: dict[str, object] = {
        "is_superuser": True,
        "role": "admin",
        "role_name": "admin",
        "is_active": False,
        "id": "0199b1d2-c3e4-7f5a-8b6c-7d8e9f0a1b2c",
        "password_hash": "x",
        "email_normal": "other@example.com",
        "created_at": "2000-01-01T00:00:00Z",
    }
    for name, value in extra.items():
        response = await client.post(REGISTER, json=body(**{name: value}))
        assert field_error_of(response) == (f"/{name}", "EXTRA_FORBIDDEN")
    assert await count(runtime, User) == 0


async def test_a_name_is_optional(client: httpx2.AsyncClient) -> None:
    """S40: null means no name, as leaving it out does."""
    without = await client.post(REGISTER, json=body())
    null = await client.post(REGISTER, json=body(email="bob@example.com", full_name=None))
    assert (without.status_code, without.json()["full_name"]) == (201, None)
    assert (null.status_code, null.json()["full_name"]) == (201, None)


async def test_a_name_is_kept_as_the_text_it_is(client: httpx2.AsyncClient) -> None:
    """S40: a name is one line of text in NFC, never markup."""
    kept = {
        "  Ada Lovelace ": "Ada Lovelace",
        "Rene\u0301": "Ren\u00e9",
        "<b>Ada</b> & \"co\" 'x'": "<b>Ada</b> & \"co\" 'x'",
        "a" * 200: "a" * 200,
        "李小龍 👩‍💻": "李小龍 👩‍💻",
        "'; DROP TABLE users; --": "'; DROP TABLE users; --",
    }
    for number, (typed, expected) in enumerate(kept.items()):
        response = await client.post(REGISTER, json=body(email=f"ada{number}@example.com", full_name=typed))
        assert response.status_code == 201, response.text
        assert response.json()["full_name"] == expected


async def test_a_name_that_could_deceive_is_refused(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S40, 3.6-14: no line breaks, control characters, or anything that turns the direction of text."""
    names = [
        "",
        "   ",
        "Ada\r\nBcc: all@example.com",
        "Ada\x00",
        "Ada\x1b[31m",
        "Ada\u202egnp.exe",
        "Ada\u2066x",
        "Ada\u2028x",
        "Ada\ue000",
        "a" * 201,
    ]
    for name in names:
        response = await client.post(REGISTER, json=body(full_name=name))
        assert field_errors_of(response) == {"/full_name"}, ascii(name)
    assert await count(runtime, User) == 0


async def test_a_name_that_grows_in_its_normal_form_is_measured_afterwards(client: httpx2.AsyncClient) -> None:
    """S40: 200 of these letters are 400 in NFC, more than a name may have."""
    response = await client.post(REGISTER, json=body(full_name="\u0958" * 200))
    assert field_errors_of(response) == {"/full_name"}


async def test_a_weak_password_is_refused_with_its_reason_and_without_a_hash(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """S25, S26, S28, PW-01, PW-05, 3.2-05: the reason is a code on the field, and costs nothing to find."""
    codes = {
        "pw": "PASSWORD_TOO_SHORT",
        "x7!qLm2#vB9": "PASSWORD_TOO_SHORT",
        "z" * 20: "PASSWORD_REPETITIVE",
        "xyzxyzxyzxyzxyz": "PASSWORD_REPETITIVE",
        "password1234": "PASSWORD_COMMON",
        "AdaLovelace1815": "PASSWORD_CONTAINS_OWN_WORDS",
        "ostiary-lovelace-ada": "PASSWORD_CONTAINS_OWN_WORDS",
        "correct horse\x00battery": "PASSWORD_UNUSABLE_CHARACTER",
        "k" + "long passphrase " * 16: "STRING_TOO_LONG",
    }
    for password, code in codes.items():
        response = await client.post(REGISTER, json=body(password=password, full_name="Ada Lovelace"))
        assert field_error_of(response) == ("/password", code)
        check_nothing_repeated(response, f'"{password}"')
    assert runtime.hashing.computed == 0
    assert await count(runtime, User) == 0


async def test_any_long_and_unusual_password_signs_in(client: httpx2.AsyncClient) -> None:
    """PW-02, PW-03, PW-04: length is counted in code points, and no kind of character is demanded."""
    passwords = {
        "lower": "only lower case letters",
        "twelve": "x7!qLm2#vB9z",
        "emoji": "🦊🐙🌲 🪐🧭🎷 🥝🛶🧿🪁",
        "chinese": "密码很长的一句话没有人会猜到",
        "longest": "pass" + "ö1 ä2 ü3 " * 28,
    }
    assert len(passwords["longest"]) == 256
    for name, password in passwords.items():
        email = f"{name}@example.com"
        assert (await client.post(REGISTER, json=body(email=email, password=password))).status_code == 201, name
        form = {"username": email, "password": password}
        assert (await client.post(f"{API}/auth/login", data=form)).status_code == 200, name


async def test_two_spellings_of_one_address_make_one_account(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S31, 3.3-20."""
    twins = {
        "ada@example.com": "ADA@example.com",
        "Bob@Example.COM": "bob@example.com",
        "eve@bücher.example": "eve@xn--bcher-kva.example",
        "ren\u00e9@example.com": "rene\u0301@example.com",
    }
    for first, twin in twins.items():
        assert (await client.post(REGISTER, json=body(email=first))).status_code == 201
        problem_of(await client.post(REGISTER, json=body(email=twin)), 409, "EMAIL_TAKEN")
    assert await count(runtime, User) == len(twins)


async def test_addresses_that_mail_could_tell_apart_stay_apart(accounts: Accounts) -> None:
    """3.3-19: neither the code nor the database's collation makes two mailboxes one."""
    pairs = {
        "strasse@example.com": "straße@example.com",
        "mike@example.com": "m\u0131ke@example.com",
        "rene@example.com": "ren\u00e9@example.com",
        "ada@example.com": "ada+x@example.com",
    }
    for first, other in pairs.items():
        await accounts.register(first)
        person = await accounts.signed_in(other)
        assert (await person.get("/auth/me")).json()["id"] == person.id


async def test_what_is_not_an_address_is_refused(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S32, 3.3-19."""
    texts = [
        "",
        "ada",
        "ada@",
        "@example.com",
        "Evil <ada@example.com>",
        "ada@example.com, eve@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada\x00@example.com",
        "ada\uff20example.com",
        "ada@exa mple.com",
        "ada@localhost",
        "ada@[127.0.0.1]",
    ]
    for text in texts:
        response = await client.post(REGISTER, json=body(email=text))
        assert field_error_of(response) == ("/email", "EMAIL_INVALID"), ascii(text)
    assert runtime.hashing.computed == 0
    assert await count(runtime, User) == 0


async def test_an_endless_address_is_refused_by_its_length(client: httpx2.AsyncClient) -> None:
    """3.2-13: before any parser that is slower than linear sees it."""
    response = await client.post(REGISTER, json=body(email="ada@" + "a" * 60_000 + ".example"))
    assert field_error_of(response) == ("/email", "STRING_TOO_LONG")


async def test_a_refusal_never_repeats_what_was_sent(client: httpx2.AsyncClient) -> None:
    """S87, PD-02: a rejected password must not come back, nor reach whoever stores answers."""
    wrong: list[dict[str, object]] = [
        {"email": CANARY},
        {"email": f"{CANARY}@{CANARY}@example.com"},
        {"email": [CANARY]},
        {"password": CANARY[:8]},
        {"password": CANARY * 30},
        {"password": {"value": CANARY}},
        {"password": None, "full_name": CANARY},
        {"full_name": f"{CANARY}\nx"},
        {"full_name": [CANARY]},
        {"nickname": CANARY},
    ]
    for changes in wrong:
        response = await client.post(REGISTER, json=body(**changes))
        assert response.status_code == 422, response.text
        check_nothing_repeated(response, CANARY[:8], PASSWORD)


async def test_a_conflict_repeats_no_address_and_changes_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S90, PD-01, PD-02: a taken address is a 409, and the first owner's account stays as it was."""
    await client.post(REGISTER, json=body(full_name="Ada"))
    before = await everything(runtime)
    response = await client.post(REGISTER, json=body(password=f"{CANARY} another long one", full_name=CANARY))
    problem_of(response, 409, "EMAIL_TAKEN")
    check_nothing_repeated(response, "ada@example.com")
    assert await everything(runtime) == before


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_fifty_registrations_of_one_address_at_once_make_one_account(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """S33, S34, 3.4-13: one is first, and every other gets the same conflict, never an accident."""
    responses = await at_once(50, lambda: client.post(REGISTER, json=body()))
    assert sorted(r.status_code for r in responses) == [201] + [409] * 49
    refusals = [without_request_id(r) for r in responses if r.status_code == 409]
    assert all(refusal == refusals[0] for refusal in refusals)
    assert await count(runtime, User) == 1


async def test_different_addresses_register_at_once(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    emails = iter(f"ada{n}@example.com" for n in range(10))
    responses = await at_once(10, lambda: client.post(REGISTER, json=body(email=next(emails))))
    assert [r.status_code for r in responses] == [201] * 10
    assert await count(runtime, User) == 10
