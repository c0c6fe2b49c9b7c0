"""A forgotten password: only who reads the mail of the account gets a new one, and nothing of before lets anybody in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, update

from app.models import AuditKind, Identity, MailedProof, SignInCode
from app.runtime import Runtime
from app.services.mailed.proofs import TRIES
from tests import gatehouse
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import field_error_of, problem_of
from tests.audit import event_of, events_of
from tests.conftest import BASE_URL
from tests.mailed.inbox import letters, newest
from tests.mailed.proving import proofs_in
from tests.mailed.recovering import (
    ADA,
    NEW,
    NEW_PASSWORD,
    NOTICE,
    RESET,
    ask_for,
    can_sign_in,
    confirm,
    end_cause,
    forget,
    forgotten,
    identity,
    move,
    proved,
    reset,
    subjects_of,
)
from tests.rows import change_user, count, find_user, living_sessions, write
from tests.tokens import session_id_of


@pytest.mark.parametrize("by_code", [False, True], ids=["link", "code"])
async def test_a_reset_ends_every_session_and_signs_nobody_in(
    accounts: Accounts, runtime: Runtime, by_code: bool
) -> None:
    """3.5-03, 3.3-05, SE-05: a session of before does not survive it; the user is told."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    brought = (
        {"email": "Ada@EXAMPLE.com", "code": f"{mail.code[:4]} {mail.code[4:]}"} if by_code else {"token": mail.token}
    )
    answer = await reset(ada.http, **brought)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers
    assert problem_of(await ada.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "password_reset"
    assert await living_sessions(runtime, ada) == set()
    assert await end_cause(runtime, session_id_of(ada)) == "password_reset"
    assert not await can_sign_in(ada.http, ADA, PASSWORD)
    assert await can_sign_in(ada.http, ADA, NEW_PASSWORD)
    assert "password" in (await newest(runtime, ada, NOTICE)).text
    assert (await event_of(runtime, AuditKind.USER_PASSWORD_RESET)).target_id == UUID(ada.id)


async def test_an_address_without_an_account_is_answered_alike_and_gets_no_mail(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.7-02: and a disabled account, 3.3-16."""
    ada = await accounts.register(ADA)
    known = await forget(client, ADA)
    assert (known.status_code, known.json()) == (202, {"expires_in": 1800})
    await change_user(runtime, ada, is_active=False)
    for email in (ADA, "nobody@example.com"):
        answer = await forget(client, email)
        assert (answer.status_code, answer.content) == (known.status_code, known.content)
    assert [mail.to for mail in await letters(runtime, kind=RESET)] == [ADA]
    outcomes = [
        (event.outcome, event.cause) for event in await events_of(runtime, AuditKind.USER_PASSWORD_RESET_REQUESTED)
    ]
    assert outcomes == [("success", None), ("refused", "user_disabled"), ("refused", "unknown_address")]


async def test_the_mail_goes_to_the_stored_address(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-19: whatever spelling of it was typed."""
    ada = await accounts.register("Ada@Example.com")
    await forget(ada.http, "aDA@eXAMPLE.COM")
    assert [mail.to for mail in await letters(runtime, kind=RESET)] == ["Ada@example.com"]


async def test_a_reset_link_counts_once_and_only_the_newest(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-09: one live value; 3.4-09: and no other kind's route takes it."""
    ada = await proved(accounts, runtime)
    first, second = await forgotten(runtime, ada), await forgotten(runtime, ada)
    problem_of(await reset(ada.http, token=first.token), 400, "MAILED_PROOF_INVALID")
    problem_of(await confirm(ada, token=second.token), 400, "MAILED_PROOF_INVALID")
    for route in ("/auth/undo", "/auth/email/veto"):
        problem_of(await ada.http.post(API + route, json={"token": second.token}), 400, "MAILED_PROOF_INVALID")
    assert (await reset(ada.http, token=second.token)).status_code == 204
    problem_of(await reset(ada.http, "another new passphrase", token=second.token), 400, "MAILED_PROOF_INVALID")
    assert await can_sign_in(ada.http, ADA, NEW_PASSWORD)


async def test_a_reset_link_that_is_too_old_counts_no_more(accounts: Accounts, runtime: Runtime) -> None:
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    await write(runtime, update(MailedProof).values(expires_at=datetime.now(UTC)))
    problem_of(await reset(ada.http, token=mail.token), 400, "MAILED_PROOF_INVALID")
    assert (await ada.get("/auth/me")).status_code == 200


async def test_a_code_is_guessed_five_times_and_never_by_weak_passwords(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-09, PW-07: a password that is not accepted is no free try."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    wrong = f"{(int(mail.code) + 1) % 10**8:08}"
    for password in ["short", *[NEW_PASSWORD] * (TRIES - 1), ADA]:
        answer = await reset(ada.http, password, email=ADA, code=wrong)
        assert answer.status_code == (422 if password == "short" else 400), answer.text
    problem_of(await reset(ada.http, email=ADA, code=mail.code), 400, "MAILED_PROOF_INVALID")
    problem_of(await reset(ada.http, email="nobody@example.com", code=mail.code), 400, "MAILED_PROOF_INVALID")
    assert (await reset(ada.http, token=mail.token)).status_code == 204


@pytest.mark.parametrize("password", ["short", "password1234", ADA])
async def test_a_password_that_is_not_accepted_leaves_the_mail_unspent(
    accounts: Accounts, runtime: Runtime, password: str
) -> None:
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    pointer, _ = field_error_of(await reset(ada.http, password, token=mail.token))
    assert pointer == "/new_password"
    assert (await ada.get("/auth/me")).status_code == 200
    assert (await reset(ada.http, token=mail.token)).status_code == 204


async def test_everything_that_was_mailed_or_under_way_dies_with_a_reset(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-05: neither a change of address nor a one-time code that an intruder has begun outlives it."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, NEW)
    change = await newest(runtime, NEW)
    mail = await forgotten(runtime, ada)
    added = identity(ada, "ada", at=datetime.now(UTC))
    code = {"digest": b"d" * 32, "binding": b"b" * 32, "identity_id": added["id"], "user_id": UUID(ada.id)}
    await write(
        runtime,
        insert(Identity).values(**added),
        insert(SignInCode).values(**code, expires_at=datetime.now(UTC) + timedelta(minutes=1)),
    )
    assert (await reset(ada.http, token=mail.token)).status_code == 204
    assert {row.purpose for row in await proofs_in(runtime)} == {"undo", "veto_address"}
    again = await Person(ada.http, ada.id, ADA, NEW_PASSWORD).sign_in()
    problem_of(await confirm(again, token=change.token), 400, "MAILED_PROOF_INVALID")
    assert await count(runtime, SignInCode) == 0
    assert (await find_user(runtime, ada)).email == ADA
    assert await subjects_of(runtime, ada) == {"ada"}


async def test_a_reset_proves_the_address_and_wipes_what_an_unproved_one_held(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-05, ID-07: whoever put an identity there had never shown that the address was theirs."""
    squatter = await accounts.signed_in(ADA)
    await write(runtime, insert(Identity).values(**identity(squatter, "trojan", at=datetime(2026, 1, 1, tzinfo=UTC))))
    assert (await reset(squatter.http, token=(await forgotten(runtime, squatter)).token)).status_code == 204
    assert (await find_user(runtime, squatter)).email_verified_at is not None
    assert await subjects_of(runtime, squatter) == set()
    problem_of(await squatter.refresh(), 401, "SESSION_ENDED")


async def test_an_account_without_a_password_gets_its_first_one(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-18: until then neither an empty password signs in nor any other."""
    ada = await proved(accounts, runtime)
    await change_user(runtime, ada, password_hash=None)
    for password in (" ", "None", PASSWORD):
        assert not await can_sign_in(ada.http, ADA, password)
    assert (await reset(ada.http, token=(await forgotten(runtime, ada)).token)).status_code == 204
    assert await can_sign_in(ada.http, ADA, NEW_PASSWORD)


async def test_a_disabled_account_is_not_reset(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-16: nor does a mail of before open it."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    await change_user(runtime, ada, is_active=False)
    problem_of(await reset(ada.http, token=mail.token), 400, "MAILED_PROOF_INVALID")
    await change_user(runtime, ada, is_active=True)
    assert not await can_sign_in(ada.http, ADA, NEW_PASSWORD)


async def test_a_reset_mail_to_a_former_address_counts_no_more(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-17: the value names the address that it was mailed to."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    await move(runtime, ada)
    problem_of(await reset(ada.http, token=mail.token), 400, "MAILED_PROOF_INVALID")
    assert await can_sign_in(ada.http, NEW, PASSWORD)


async def test_a_password_change_ends_what_was_mailed_under_the_old_one(accounts: Accounts, runtime: Runtime) -> None:
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    body = {"current_password": PASSWORD, "new_password": "a brand new passphrase"}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    problem_of(await reset(ada.http, token=mail.token), 400, "MAILED_PROOF_INVALID")


@pytest.mark.settings(EXTENSIONS=[gatehouse.NAME])
async def test_a_reset_is_no_way_around_a_gate(accounts: Accounts, runtime: Runtime, app: FastAPI) -> None:
    """3.5-03: whoever is kept out by a demand of the installation is kept out with the new password as well."""
    barred = await accounts.register("barred@example.com")
    await change_user(runtime, barred, email_verified_at=datetime.now(UTC))
    assert (await reset(barred.http, token=(await forgotten(runtime, barred)).token)).status_code == 204
    form = {"username": barred.email, "password": NEW_PASSWORD}
    # The product's own refusals stand in no document of ours.
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=BASE_URL) as http:
        answer = await http.post(f"{API}/auth/login", data=form)
    assert answer.json()["code"] == "GATEHOUSE_BARRED"
    assert await living_sessions(runtime, barred) == set()


@pytest.mark.parametrize("was_proved", [False, True])
async def test_a_reset_takes_away_name_and_language_that_somebody_else_may_have_chosen(
    accounts: Accounts, runtime: Runtime, was_proved: bool
) -> None:
    """3.3-05, 3.6-08: a squatter's text greets the owner in no mail of ours. Whoever had proved the address keeps theirs."""
    ada = await accounts.register(ADA, name="Your parcel 4711 is held")
    await change_user(runtime, ada, locale="de", email_verified_at=datetime.now(UTC) if was_proved else None)
    mail = await forgotten(runtime, ada)
    assert (await reset(ada.http, token=mail.token)).status_code == 204
    user = await find_user(runtime, ada)
    assert ("parcel" in mail.text) == was_proved
    assert (user.full_name is not None, "parcel" in user.search_text) == (was_proved, was_proved)
    assert user.locale == ("de" if was_proved else None)
    assert ("parcel" in (await newest(runtime, ADA, NOTICE)).text) == was_proved
