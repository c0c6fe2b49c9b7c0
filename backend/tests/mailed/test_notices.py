"""Security notices: whatever is done to an account, its user learns of it at the address that it has."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from app.models import MailedProof, Session
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts
from tests.answers import problem_of
from tests.mailed.inbox import letters, newest
from tests.mailed.recovering import ADA, NEW_PASSWORD, NOTICE, RESET, can_sign_in, disown, proved, reset
from tests.rows import change_session, change_user, count, let_time_pass, living_sessions
from tests.tokens import session_id_of
from tests.visitors import ABROAD, visiting


async def test_a_sign_in_with_a_new_device_or_from_a_new_place_is_told(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-05, 3.5-09: not the first one of an account, nor one as before."""
    ada = await proved(accounts, runtime)
    await ada.sign_in()
    assert await letters(runtime, ADA) == []
    async with visiting(app, ada) as abroad:
        await abroad.sign_in()
        await abroad.sign_in()
    (notice,) = await letters(runtime, ADA)
    assert notice.kind == NOTICE
    assert f"with: Firefox on Linux, from: {ABROAD}" in notice.text
    assert "had not seen before" in notice.text


async def test_who_did_not_sign_in_there_ends_that_session_and_gets_a_mail_to_begin_anew(
    app: FastAPI, accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-05: whoever signed in knows the password, so it counts no more."""
    ada = await proved(accounts, runtime)
    async with visiting(app, ada) as abroad:
        thief = await abroad.sign_in()
        assert (await disown(client, await newest(runtime, ADA))).status_code == 204
        assert problem_of(await thief.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "disowned"
        assert not await can_sign_in(thief.http, ADA, PASSWORD)
    assert await living_sessions(runtime, ada) == set()
    assert (await reset(client, token=(await newest(runtime, ADA, RESET)).token)).status_code == 204
    assert await can_sign_in(client, ADA, NEW_PASSWORD)


async def test_a_changed_password_is_told(accounts: Accounts, runtime: Runtime) -> None:
    """SE-05: a first one as well."""
    ada = await proved(accounts, runtime)
    body: dict[str, str | None] = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    await change_user(runtime, ada, password_hash=None)
    body = {"current_password": None, "new_password": "eleven blue herons wait"}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    subjects = [mail.text for mail in await letters(runtime, ADA, NOTICE)]
    assert len(subjects) == 2
    assert all("The password of your account was changed" in text for text in subjects)


async def test_a_password_that_was_not_changed_is_not_told(accounts: Accounts, runtime: Runtime) -> None:
    """V2.3.3: mail and change are committed together, or neither."""
    ada = await proved(accounts, runtime)
    body = {"current_password": "not this one at all", "new_password": NEW_PASSWORD}
    problem_of(await ada.post("/auth/me/password", json=body), 403, "WRONG_PASSWORD")
    assert await letters(runtime, ADA) == []
    assert await count(runtime, MailedProof) == 0


async def test_a_refresh_token_that_is_used_twice_is_told_once(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.4-02, SE-05: the refusal keeps the mail; further replays send none. Its reader ends what else the thief has."""
    ada = await proved(accounts, runtime)
    stolen, other = ada.tokens["refresh_token"], await ada.sign_in()
    await ada.refresh()
    await let_time_pass(runtime, session_id_of(ada), Session.refreshed_at, by=timedelta(minutes=1))
    for _ in range(3):
        problem_of(await ada.refresh(stolen), 401, "SESSION_ENDED")
    (notice,) = await letters(runtime, ADA)
    assert "used twice" in notice.text
    assert (await disown(client, notice)).status_code == 204
    assert problem_of(await other.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "disowned"


async def test_an_ended_session_whose_old_token_comes_is_not_told(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02: whoever has signed out is not robbed any more."""
    ada = await proved(accounts, runtime)
    old = ada.tokens["refresh_token"]
    await ada.refresh()
    await change_session(runtime, session_id_of(ada), ended_at=datetime.now(UTC), end_cause="logout")
    problem_of(await ada.refresh(old), 401, "SESSION_ENDED")
    assert await letters(runtime, ADA) == []


@pytest.mark.settings(MAIL_PER_ADDRESS_PER_HOUR=1)
async def test_no_cap_holds_a_notice_back(accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient) -> None:
    """SE-05: else a thief would first have so many mails sent that none tells of the theft."""
    ada = await proved(accounts, runtime)
    for _ in range(3):
        await client.post("/api/v1/auth/password/forgot", json={"email": ADA})
    assert len(await letters(runtime, ADA, RESET)) == 1
    for old, new in ((PASSWORD, NEW_PASSWORD), (NEW_PASSWORD, PASSWORD)):
        body = {"current_password": old, "new_password": new}
        assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    assert len(await letters(runtime, ADA, NOTICE)) == 2


async def test_a_notice_is_written_in_the_language_of_its_user_and_kept_with_the_account(
    accounts: Accounts, runtime: Runtime
) -> None:
    ada = await proved(accounts, runtime)
    await change_user(runtime, ada, locale="de")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    notice = await newest(runtime, ADA)
    assert "Das Passwort Ihres Kontos wurde geändert" in notice.text
    assert re.fullmatch(r"ost_mu_[\w-]{43}", notice.token)
    assert await count(runtime, MailedProof, MailedProof.user_id == UUID(ada.id)) == 1


async def test_an_address_that_nobody_has_proved_gets_no_notice(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-10: whoever registers somebody else's address and signs in often would fill their mailbox."""
    ada = await accounts.signed_in(ADA)
    for number in range(4):
        async with visiting(app, ada, user_agent=f"prog{number}/1.0") as abroad:
            await abroad.sign_in()
    assert await letters(runtime, ADA, NOTICE) == []
    await change_user(runtime, ada, role_name="admin")
    async with visiting(app, ada, user_agent="prog9/1.0") as abroad:
        await abroad.sign_in()
    assert len(await letters(runtime, ADA, NOTICE)) == 1


async def test_many_new_devices_are_told_a_few_times_an_hour_and_hide_no_other_notice(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-05, 3.7-10: whoever has the password fills no mailbox with it, and makes no more links that undo than mails."""
    ada = await proved(accounts, runtime)
    for number in range(6):
        async with visiting(app, ada, user_agent=f"prog{number}/1.0") as abroad:
            await abroad.sign_in()
    assert len(await letters(runtime, ADA, NOTICE)) == 4
    assert await count(runtime, MailedProof) == 4
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    assert "password of your account was changed" in (await newest(runtime, ADA, NOTICE)).text
