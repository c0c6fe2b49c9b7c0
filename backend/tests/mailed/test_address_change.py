"""Another address: proved by whoever reads it, announced to whoever reads the present one, and a secret to everybody else."""

from datetime import timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.models import AuditKind, MailedProof, Session
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.answers import field_error_of, problem_of
from tests.audit import event_of, events_of
from tests.mailed.inbox import letters, newest
from tests.mailed.recovering import (
    ADA,
    CONFIRM,
    GRACE,
    NEW,
    NEW_PASSWORD,
    NOTE,
    NOTICE,
    ask_for,
    can_sign_in,
    confirm,
    disown,
    forgotten,
    move,
    proved,
    reset,
)
from tests.rows import change_user, count, find_user, let_time_pass, living_sessions, write
from tests.statements import recorded_statements
from tests.tokens import session_id_of
from tests.visitors import visiting


@pytest.mark.parametrize("by_code", [False, True], ids=["link", "code"])
async def test_a_new_address_counts_once_its_reader_has_confirmed_it(
    accounts: Accounts, runtime: Runtime, by_code: bool
) -> None:
    """3.3-18, SE-05: both addresses are told, and only the former one can undo it."""
    ada = await proved(accounts, runtime)
    answer = await ask_for(ada, "Countess@Example.ORG")
    assert (answer.status_code, answer.json()) == (202, {"expires_in": 3600})
    assert (await find_user(runtime, ada)).email == ADA
    mail = await newest(runtime, "Countess@example.org", CONFIRM)
    brought = {"email": NEW, "code": mail.code} if by_code else {"token": mail.token}
    answer = await confirm(ada, **brought)
    assert (answer.status_code, answer.content) == (204, b"")
    user = await find_user(runtime, ada)
    assert (user.email, user.email_normal) == ("Countess@example.org", NEW)
    assert NEW in user.search_text
    assert user.email_verified_at is not None
    assert (await ada.get("/auth/me")).json()["email"] == "Countess@example.org"
    assert not await can_sign_in(ada.http, ADA, PASSWORD)
    assert await can_sign_in(ada.http, NEW, PASSWORD)
    assert [mail.kind for mail in await letters(runtime, ADA)] == [NOTE, NOTICE]
    notice = await newest(runtime, ADA, NOTICE)
    assert (notice.page, "(c***@e***.org)" in notice.text) == ("/mail/undo", True)
    assert not (await newest(runtime, "Countess@example.org", NOTICE)).has_link
    event = await event_of(runtime, AuditKind.USER_ADDRESS_CHANGED)
    assert (event.target_id, event.session_id) == (UUID(ada.id), session_id_of(ada))
    assert event.detail == {"former": "a***@example.com", "new": "c***@example.org"}


async def test_an_address_that_is_taken_is_answered_alike_after_the_same_work(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-02, 3.7-01: its owner alone is told, by mail, and what the asker could guess is worth nothing."""
    ada = await proved(accounts, runtime)
    await accounts.register(GRACE)
    await ask_for(ada, "another@example.org")
    with recorded_statements(runtime) as for_free:
        free = await ask_for(ada, NEW)
    with recorded_statements(runtime) as for_taken:
        taken = await ask_for(ada, GRACE)
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    assert sorted(for_free) == sorted(for_taken)
    assert [mail.kind for mail in await letters(runtime, GRACE)] == ["already_registered"]
    assert [mail.kind for mail in await letters(runtime, ADA)] == [NOTE] * 3


async def test_an_address_that_is_taken_before_it_is_confirmed_stays_its_owner_s(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-20: the unique index decides; who reads the address learns by mail why the link does not count."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, NEW)
    mail = await newest(runtime, NEW, CONFIRM)
    other = await accounts.register(NEW)
    problem_of(await confirm(ada, token=mail.token), 400, "MAILED_PROOF_INVALID")
    assert (await find_user(runtime, ada)).email == ADA
    assert (await find_user(runtime, other)).email == NEW
    assert (await newest(runtime, NEW)).kind == "already_registered"
    assert (await ada.get("/auth/me")).status_code == 200
    problem_of(await confirm(ada, token=mail.token), 400, "MAILED_PROOF_INVALID")


async def test_only_a_fresh_proof_changes_the_address(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-18: a session that somebody has left open is not enough."""
    ada = await proved(accounts, runtime)
    await let_time_pass(runtime, session_id_of(ada), Session.authenticated_at, by=timedelta(minutes=11))
    await ada.refresh()
    problem_of(await ask_for(ada), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    assert await letters(runtime, NEW) == []


async def test_only_the_newest_request_of_a_user_counts(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-09: one live value for each user, whatever address it was for."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, "first@example.org")
    await ask_for(ada, NEW)
    first = await newest(runtime, "first@example.org")
    problem_of(await confirm(ada, token=first.token), 400, "MAILED_PROOF_INVALID")
    assert (await confirm(ada, token=(await newest(runtime, NEW)).token)).status_code == 204


async def test_somebody_else_who_asks_for_the_same_address_takes_nothing_away(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-09: each account has a request of its own; the unique index decides who is first."""
    ada, grace = await proved(accounts, runtime), await proved(accounts, runtime, GRACE)
    await ask_for(ada)
    adas = await newest(runtime, NEW, CONFIRM)
    await ask_for(grace)
    graces = await newest(runtime, NEW, CONFIRM)
    problem_of(await confirm(ada, email=NEW, code=graces.code), 400, "MAILED_PROOF_INVALID")
    assert (await confirm(ada, email=NEW, code=adas.code)).status_code == 204
    problem_of(await confirm(grace, token=graces.token), 400, "MAILED_PROOF_INVALID")
    assert [(await find_user(runtime, person)).email for person in (ada, grace)] == [NEW, GRACE]


async def test_a_change_dies_with_the_session_that_asked_for_it(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-05: an intruder who was thrown out comes back by no mail of before."""
    ada = await proved(accounts, runtime)
    intruder = await ada.sign_in()
    await ask_for(intruder, NEW)
    assert (await ada.post("/auth/logout/others")).status_code == 204
    problem_of(await confirm(ada, token=(await newest(runtime, NEW)).token), 400, "MAILED_PROOF_INVALID")
    assert (await find_user(runtime, ada)).email == ADA


@pytest.mark.parametrize("by_code", [False, True], ids=["link", "code"])
async def test_only_the_account_that_asked_confirms_its_new_address(
    accounts: Accounts, runtime: Runtime, by_code: bool
) -> None:
    """3.3-05: the reader of a stranger's mail does not prove the stranger's address, and uses nothing up."""
    stranger = await proved(accounts, runtime)
    reader = await accounts.signed_in(GRACE)
    await ask_for(stranger, NEW)
    mail = await newest(runtime, NEW, CONFIRM)
    brought = {"email": NEW, "code": mail.code} if by_code else {"token": mail.token}
    problem_of(await reader.http.post(f"{API}/auth/me/email/confirm", json=brought), 401, "NOT_AUTHENTICATED")
    for _ in range(6):
        problem_of(await confirm(reader, **brought), 400, "MAILED_PROOF_INVALID")
    assert [(await find_user(runtime, person)).email for person in (stranger, reader)] == [ADA, GRACE]
    events = await events_of(runtime, AuditKind.USER_ADDRESS_CHANGE_REFUSED)
    assert {(event.actor_id, event.target_id) for event in events} == {(UUID(reader.id), UUID(reader.id))}
    assert (await confirm(stranger, **brought)).status_code == 204


async def test_a_change_is_confirmed_once_and_in_time(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-09: and by no other route."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, NEW)
    mail = await newest(runtime, NEW)
    problem_of(await reset(ada.http, token=mail.token), 400, "MAILED_PROOF_INVALID")
    await write(runtime, update(MailedProof).values(expires_at=MailedProof.created_at))
    problem_of(await confirm(ada, token=mail.token), 400, "MAILED_PROOF_INVALID")
    assert (await find_user(runtime, ada)).email == ADA


async def test_what_was_mailed_to_the_former_address_counts_no_more(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-17: a mail names the address that it went to."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    await move(runtime, ada)
    problem_of(await reset(ada.http, email=ADA, code=mail.code), 400, "MAILED_PROOF_INVALID")


async def test_an_address_that_nobody_ever_proved_has_no_say(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-05: a slip of the pen may be a stranger's address, who would take the account by a notice or its veto."""
    ada = await accounts.signed_in("slip-of-the-pen@example.com")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=body)).status_code == 204
    await move(runtime, ada)
    assert await letters(runtime, "slip-of-the-pen@example.com") == []
    assert [mail.kind for mail in await letters(runtime, NEW)] == [CONFIRM, NOTICE]
    assert await can_sign_in(ada.http, NEW, NEW_PASSWORD)
    assert await count(runtime, MailedProof) == 0


async def test_an_account_that_an_administrator_vouched_for_has_a_say_without_a_proof(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.3-18, SE-05: `create-admin` mails nothing, and its account can be taken back all the same."""
    root = await accounts.administrator()
    assert (await find_user(runtime, root)).email_verified_at is None
    async with visiting(app, root) as strange:
        await move(runtime, await strange.sign_in())
    mails = await letters(runtime, root.email)
    assert [mail.kind for mail in mails] == [NOTICE, NOTE, NOTICE]
    assert (await disown(root.http, mails[0])).status_code == 204
    assert (await find_user(runtime, root)).email_normal == root.email
    assert await living_sessions(runtime, root) == set()


async def test_a_disabled_account_keeps_its_address(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-16."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, NEW)
    await change_user(runtime, ada, is_active=False)
    problem_of(await confirm(ada, token=(await newest(runtime, NEW)).token), 401, "SESSION_ENDED")
    assert (await find_user(runtime, ada)).email == ADA


async def test_what_is_no_address_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    ada = await proved(accounts, runtime)
    assert field_error_of(await ask_for(ada, "nowhere")) == ("/email", "EMAIL_INVALID")
    assert await letters(runtime, ADA) == []


@pytest.mark.settings(LIMITS_ENABLED=True)
async def test_nobody_has_mails_sent_to_one_stranger_after_the_other(accounts: Accounts, runtime: Runtime) -> None:
    """S36, V2.4.1: each address has tries of its own, but whoever asks has few."""
    ada = await proved(accounts, runtime)
    answers = [await ask_for(ada, f"stranger-{number}@example.org") for number in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert len(await letters(runtime, kind=CONFIRM)) == 5


@pytest.mark.settings(LIMITS_ENABLED=True)
async def test_strangers_who_ask_for_an_address_keep_its_owner_from_none(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-08: who else asks for it is counted for themselves."""
    ada = await proved(accounts, runtime)
    for number in range(2):
        stranger = await proved(accounts, runtime, f"stranger-{number}@example.org")
        assert [(await ask_for(stranger)).status_code for _ in range(3)] == [202] * 3
    assert (await ask_for(ada)).status_code == 202
    assert (await confirm(ada, token=(await newest(runtime, NEW, CONFIRM)).token)).status_code == 204
