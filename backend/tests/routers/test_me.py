"""One's own account: reading it, and changing one's name."""

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import delete

from app.models import User
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import CANARY, check_nothing_repeated, field_errors_of, problem_of
from tests.contention import uncommitted, waiting_for_a_lock
from tests.instances import instance
from tests.outbox import mails_of, sealed_text
from tests.rows import change_user, everything, find_user


async def test_people_see_their_own_account_and_nothing_secret(accounts: Accounts) -> None:
    """S12, S14."""
    ada = await accounts.signed_in(name="Ada Lovelace")
    response = await ada.get("/auth/me")
    assert response.status_code == 200
    me = response.json()
    assert set(me) == {"id", "email", "email_verified", "full_name", "locale", "is_active", "role", "created_at"}
    assert (me["id"], me["email"], me["full_name"]) == (ada.id, ada.email, "Ada Lovelace")
    assert (me["is_active"], me["role"]) == (True, "user")
    assert datetime.fromisoformat(me["created_at"]).tzinfo is not None
    assert "no-store" in response.headers["cache-control"]


async def test_a_stranger_is_asked_to_sign_in(accounts: Accounts) -> None:
    """S58, PD-03."""
    ada = await accounts.register()
    response = await ada.http.get(f"{API}/auth/me")
    problem_of(response, 401, "NOT_AUTHENTICATED")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_new_name_is_seen_at_once_by_every_session(accounts: Accounts, runtime: Runtime) -> None:
    ada = await accounts.signed_in(name="Ada Byron")
    elsewhere = await ada.sign_in()
    response = await ada.patch("/auth/me", json={"full_name": " Ada Lovelace "})
    assert response.status_code == 200
    assert response.json()["full_name"] == "Ada Lovelace"
    for session in (ada, elsewhere):
        assert (await session.get("/auth/me")).json() == response.json()
    async with instance(runtime.settings) as second:
        assert (await second.serves(ada).get("/auth/me")).json()["full_name"] == "Ada Lovelace"


async def test_null_takes_the_name_away(accounts: Accounts) -> None:
    """S40."""
    ada = await accounts.signed_in(name="Ada Lovelace")
    response = await ada.patch("/auth/me", json={"full_name": None})
    assert (response.status_code, response.json()["full_name"]) == (200, None)
    assert (await ada.get("/auth/me")).json()["full_name"] is None


async def test_a_new_name_changes_nothing_else(accounts: Accounts, runtime: Runtime) -> None:
    ada, bob = await accounts.signed_in("Ada@Example.com", name="Ada"), await accounts.signed_in(name="Bob")
    before = await find_user(runtime, ada)
    await ada.patch("/auth/me", json={"full_name": "Countess"})
    after = await find_user(runtime, ada)
    kept = ("id", "email", "email_normal", "password_hash", "is_active", "role_name", "created_at")
    assert {name: getattr(before, name) for name in kept} == {name: getattr(after, name) for name in kept}
    assert after.updated_at > before.updated_at
    assert after.search_text == "ada@example.com countess"
    assert (await bob.get("/auth/me")).json()["full_name"] == "Bob"


async def test_nobody_changes_what_is_not_theirs_to_change(accounts: Accounts, runtime: Runtime) -> None:
    """S22, 3.8-01: role, state, address, password and id are refused, even beside a name that is fine."""
    ada = await accounts.signed_in(name="Ada")
    before = await everything(runtime)
    extra: dict[str, object] = {
        "role": "admin",
        "role_name": "admin",
        "is_active": False,
        "is_superuser": True,
        "email": "eve@example.com",
        "password": CANARY,
        "id": "0199b1d2-c3e4-7f5a-8b6c-7d8e9f0a1b2c",
    }
    for name, value in extra.items():
        response = await ada.patch("/auth/me", json={"full_name": "New", name: value})
        assert field_errors_of(response) == {f"/{name}"}
        check_nothing_repeated(response)
    assert await everything(runtime) == before


async def test_a_name_that_is_not_accepted_changes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """S40, S87, PD-02: the rules are those of registration, and the text does not come back."""
    ada = await accounts.signed_in(name="Ada")
    before = await everything(runtime)
    for name in ("", " \t ", f"{CANARY}\r\nX", f"{CANARY}\u202e", f"{CANARY}\x00", CANARY * 20, 7, True, [CANARY]):
        response = await ada.patch("/auth/me", json={"full_name": name})
        assert field_errors_of(response) == {"/full_name"}, ascii(name)
        check_nothing_repeated(response)
    assert await everything(runtime) == before


async def test_a_name_that_grows_in_its_normal_form_is_measured_afterwards(accounts: Accounts) -> None:
    """S40: 200 of these letters are 400 in NFC, more than a name may have."""
    ada = await accounts.signed_in()
    assert field_errors_of(await ada.patch("/auth/me", json={"full_name": "\u0958" * 200})) == {"/full_name"}


async def test_people_choose_the_language_of_their_mail(accounts: Accounts, runtime: Runtime) -> None:
    """The next mail is in it; the name stays, and null goes back to the language of the installation."""
    ada = await accounts.signed_in(name="Ada Lovelace")
    texts = []
    for locale in ("de", None):
        response = await ada.patch("/auth/me", json={"locale": locale})
        assert (response.status_code, response.json()["full_name"]) == (200, "Ada Lovelace")
        assert (await find_user(runtime, ada)).locale == locale
        assert response.json()["locale"] == (await ada.get("/auth/me")).json()["locale"] == locale
        await ada.http.post(f"{API}/auth/password/forgot", json={"email": ada.email})
        texts.append(sealed_text(runtime, (await mails_of(runtime))[-1]))
    assert [" Ihr " in text or " Sie " in text for text in texts] == [True, False]
    await ada.patch("/auth/me", json={"locale": "de"})
    await ada.patch("/auth/me", json={"full_name": "Countess"})
    assert (await find_user(runtime, ada)).locale == "de"


async def test_a_language_without_templates_changes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """S87, 3.8-01: a folder of the server's is no language, and nothing that was sent comes back."""
    ada = await accounts.signed_in(name="Ada")
    before = await everything(runtime)
    for locale in ("fr", "DE", "", "../../etc", "de/words", f"de{CANARY}", "de\x00", 7):
        response = await ada.patch("/auth/me", json={"full_name": "New", "locale": locale})
        assert field_errors_of(response) == {"/locale"}, ascii(locale)
        if isinstance(locale, str) and CANARY in locale:
            check_nothing_repeated(response)
    assert await everything(runtime) == before


async def test_a_role_taken_away_or_given_is_seen_at_once(accounts: Accounts, runtime: Runtime) -> None:
    """S54: the account is read afresh on every request, not from the token."""
    ada = await accounts.signed_in()
    await accounts.set_role(ada, "admin")
    assert (await ada.get("/auth/me")).json()["role"] == "admin"
    await change_user(runtime, ada, is_active=False)
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "user_disabled"


@pytest.mark.only("postgresql")
async def test_a_new_name_that_meets_the_deletion_of_the_account_is_refused(
    accounts: Accounts, runtime: Runtime
) -> None:
    """PD-01, 3.5-02: the guard saw the account, the change does not find it any more: no accident of ours."""
    ada = await accounts.signed_in()
    async with uncommitted(runtime, delete(User).where(User.id == UUID(ada.id))):
        renaming = await waiting_for_a_lock(runtime, ada.patch("/auth/me", json={"full_name": "Ada"}))
    response = await renaming
    assert response.status_code in {401, 404}, response.text
