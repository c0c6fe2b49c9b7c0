"""Who reads a notice and says "this wasn't me" has the account again, and whoever was in it has nothing left."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert, update

from app.mail.messages import NoticeEvent
from app.models import AuditKind, Identity, MailedProof, Purpose
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.audit import event_of, events_of
from tests.mailed.inbox import Letter, letters, newest
from tests.mailed.proving import issue, proofs_in
from tests.mailed.recovering import (
    ADA,
    NEW,
    NEW_PASSWORD,
    NOTE,
    NOTICE,
    RESET,
    THIEF,
    THIEFS_PASSWORD,
    ask_for,
    can_sign_in,
    confirm,
    disown,
    forget,
    identity,
    move,
    proved,
    reset,
    subjects_of,
)
from tests.rows import change_user, everything, find_user, living_sessions, write


async def robbed(accounts: Accounts, runtime: Runtime) -> tuple[Person, Person]:
    """Return somebody, and a thief who knows the password and has given the account another address and password."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await move(runtime, thief, THIEF)
    body = {"current_password": PASSWORD, "new_password": THIEFS_PASSWORD}
    assert (await thief.post("/auth/me/password", json=body)).status_code == 204
    return ada, thief


async def is_ada_s_again(runtime: Runtime, http: httpx2.AsyncClient, ada: Person) -> None:
    """See that nobody is in the account, no password counts, and a mail to Ada's address sets a new one."""
    user = await find_user(runtime, ada)
    assert (user.email, user.email_normal, user.password_hash, user.is_active) == (ADA, ADA, None, True)
    assert await living_sessions(runtime, ada) == set()
    for email in (ADA, THIEF):
        for password in (PASSWORD, THIEFS_PASSWORD):
            assert not await can_sign_in(http, email, password)
    assert (await reset(http, token=(await newest(runtime, ADA, RESET)).token)).status_code == 204
    assert await can_sign_in(http, ADA, NEW_PASSWORD)


@pytest.mark.parametrize("kind", [NOTE, NOTICE])
async def test_a_stolen_address_is_given_back_with_the_account(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient, kind: str
) -> None:
    """3.3-18, 3.3-05: by the veto or by the notice, although the thief has changed the password since."""
    ada, thief = await robbed(accounts, runtime)
    assert await can_sign_in(client, THIEF, THIEFS_PASSWORD)
    answer = await disown(client, await newest(runtime, ADA, kind))
    assert (answer.status_code, answer.content) == (204, b"")
    assert "set-cookie" not in answer.headers
    assert problem_of(await thief.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "disowned"
    event = await event_of(runtime, AuditKind.USER_CHANGE_UNDONE)
    assert (event.actor_id, event.target_id) == (UUID(ada.id), UUID(ada.id))
    assert event.detail is not None
    assert event.detail["address_restored"] is True
    await is_ada_s_again(runtime, client, ada)


async def test_nothing_that_was_mailed_to_a_thief_counts_once_the_account_is_taken_back(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-17, 3.3-05: neither a reset mail nor a further change nor an undoing of the thief's own."""
    ada, thief = await robbed(accounts, runtime)
    await forget(client, THIEF)
    await ask_for(thief, "further@example.net")
    mails = [*await letters(runtime, THIEF), *await letters(runtime, "further@example.net")]
    assert (await disown(client, await newest(runtime, ADA, NOTE))).status_code == 204
    kinds = set()
    for mail in mails:
        if mail.has_link:
            kinds.add(mail.page)
            dead = (401, "SESSION_ENDED") if mail.page == "/mail/change" else (400, "MAILED_PROOF_INVALID")
            problem_of(await _follow(thief, mail), *dead)
    assert kinds == {"/mail/change", "/mail/undo", "/mail/reset", "/mail/veto"}
    assert Purpose.CHANGE_ADDRESS not in {proof.purpose for proof in await proofs_in(runtime)}
    await is_ada_s_again(runtime, client, ada)


async def test_a_thief_who_undoes_first_gains_nothing(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-18: of two who say that it was not them, the one with the older mail has the account in the end."""
    ada, _ = await robbed(accounts, runtime)
    assert (await disown(client, await newest(runtime, THIEF, NOTICE))).status_code == 204
    assert (await find_user(runtime, ada)).email == THIEF
    assert (await reset(client, THIEFS_PASSWORD, token=(await newest(runtime, THIEF, RESET)).token)).status_code == 204
    assert (await disown(client, await newest(runtime, ADA, NOTICE))).status_code == 204
    await is_ada_s_again(runtime, client, ada)


async def test_a_veto_before_the_confirmation_stops_the_change(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-18: whoever asked had proved the password, so it counts no more."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    await ask_for(thief, THIEF)
    assert (await disown(client, await newest(runtime, ADA, NOTE))).status_code == 204
    problem_of(await confirm(thief, token=(await newest(runtime, THIEF)).token), 401, "SESSION_ENDED")
    await is_ada_s_again(runtime, client, ada)


async def test_a_changed_password_is_undone_at_the_address_of_before(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """SE-05: the session that changed it ends, which no change had ended."""
    ada = await proved(accounts, runtime)
    thief = await ada.sign_in()
    body = {"current_password": PASSWORD, "new_password": THIEFS_PASSWORD}
    assert (await thief.post("/auth/me/password", json=body)).status_code == 204
    notice = await newest(runtime, ADA)
    await move(runtime, thief, THIEF)
    assert (await disown(client, notice)).status_code == 204
    assert problem_of(await thief.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "disowned"
    await is_ada_s_again(runtime, client, ada)


async def test_identities_that_were_added_since_go_and_those_of_before_stay(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-05: a trojan identifier does not outlive the owner's "this wasn't me"."""
    ada = await proved(accounts, runtime)
    now = datetime.now(UTC)
    await write(runtime, insert(Identity).values(**identity(ada, "ada", at=now - timedelta(days=1))))
    await ask_for(ada, THIEF)
    await write(runtime, insert(Identity).values(**identity(ada, "thief", at=now + timedelta(minutes=1))))
    assert (await disown(client, await newest(runtime, ADA, NOTE))).status_code == 204
    assert await subjects_of(runtime, ada) == {"ada"}


async def test_a_notice_is_good_for_one_undoing_within_72_hours(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.4-09: and by its own route alone."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, THIEF)
    mail = await newest(runtime, ADA, NOTE)
    problem_of(await client.post("/api/v1/auth/undo", json={"token": mail.token}), 400, "MAILED_PROOF_INVALID")
    (row,) = [row for row in await proofs_in(runtime) if row.purpose == "veto_address"]
    assert row.expires_at - row.created_at == timedelta(hours=72)
    assert (await disown(client, mail)).status_code == 204
    problem_of(await disown(client, mail), 400, "MAILED_PROOF_INVALID")
    await ask_for(await _again(runtime, client, ada), THIEF)
    await write(runtime, update(MailedProof).values(expires_at=datetime.now(UTC)))
    problem_of(await disown(client, await newest(runtime, ADA, NOTE)), 400, "MAILED_PROOF_INVALID")


async def test_a_disabled_account_is_taken_back_and_stays_disabled(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-16: and gets no mail that would open it."""
    ada, _ = await robbed(accounts, runtime)
    await change_user(runtime, ada, is_active=False)
    assert (await disown(client, await newest(runtime, ADA, NOTE))).status_code == 204
    user = await find_user(runtime, ada)
    assert (user.email, user.password_hash, user.is_active) == (ADA, None, False)
    assert await letters(runtime, ADA, RESET) == []


async def test_whoever_took_the_free_address_without_proof_gives_way(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-05: a thief does not keep the owner out by registering the address that is free now."""
    ada, _ = await robbed(accounts, runtime)
    squatter = await accounts.signed_in(ADA)
    assert (await disown(client, await newest(runtime, ADA, NOTE))).status_code == 204
    problem_of(await squatter.get("/auth/me"), 401, "SESSION_ENDED")
    gone = await find_user(runtime, squatter)
    assert (gone.email, gone.is_active) == (f"{UUID(squatter.id).hex}@gave-way.invalid", False)
    ended = [each for each in await events_of(runtime, AuditKind.SESSION_ENDED) if each.target_id == UUID(squatter.id)]
    for each in (*ended, await event_of(runtime, AuditKind.USER_GAVE_WAY)):
        assert (each.actor_id, each.target_id) == (UUID(ada.id), UUID(squatter.id))
    assert len(ended) == 1
    await is_ada_s_again(runtime, client, ada)


async def test_an_address_whose_owner_has_begun_anew_stays_with_the_new_account(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-05: the stolen account is nobody's until an administrator has looked at it, least of all the thief's."""
    stolen, thief = await robbed(accounts, runtime)
    anew = await accounts.signed_in(ADA)
    await change_user(runtime, anew, email_verified_at=datetime.now(UTC))
    assert (await disown(client, (await letters(runtime, ADA, NOTE))[0])).status_code == 204
    problem_of(await thief.get("/auth/me"), 401, "SESSION_ENDED")
    user = await find_user(runtime, stolen)
    assert (user.email, user.password_hash, user.is_active) == (THIEF, None, False)
    assert await letters(runtime, THIEF, RESET) == []
    await forget(client, THIEF)
    assert await letters(runtime, THIEF, RESET) == []
    assert (await anew.get("/auth/me")).status_code == 200


async def test_name_and_language_go_with_an_undoing_of_what_nobody_had_proved(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-05, 3.6-08: no mail of ours greets the owner with a squatter's text."""
    squatter = await accounts.register(ADA, name="Your parcel 4711 is held")
    await change_user(runtime, squatter, locale="de")
    detail = {"email": ADA, "because": NoticeEvent.PASSWORD_CHANGED.value}
    proof = await issue(runtime, Purpose.UNDO, user_id=UUID(squatter.id), detail=detail)
    assert (await client.post(f"{API}/auth/undo", json={"token": proof.token})).status_code == 204
    user = await find_user(runtime, squatter)
    assert (user.full_name, user.search_text, user.locale) == (None, ADA, None)
    assert "parcel" not in (await newest(runtime, ADA, RESET)).text


async def test_an_owner_s_name_and_language_outlive_an_undoing(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    ada = await proved(accounts, runtime)
    assert (await ada.patch("/auth/me", json={"full_name": "Ada Lovelace", "locale": "de"})).status_code == 200
    await ask_for(ada, NEW)
    assert (await disown(client, await newest(runtime, ADA, NOTE))).status_code == 204
    user = await find_user(runtime, ada)
    assert (user.full_name, user.search_text, user.locale) == ("Ada Lovelace", f"{ADA} ada lovelace", "de")


async def test_the_only_administrator_is_closed_once_there_is_another_one(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """S44: else nobody could look at the closed account. Until then nothing happens, and the link stays good."""
    stolen, _ = await robbed(accounts, runtime)
    await change_user(runtime, stolen, role_name="admin")
    anew = await accounts.signed_in(ADA)
    await change_user(runtime, anew, email_verified_at=datetime.now(UTC))
    notice = (await letters(runtime, ADA, NOTE))[0]
    before = await everything(runtime)
    problem_of(await disown(client, notice), 409, "LAST_ADMINISTRATOR")
    assert await everything(runtime) == before
    event = await event_of(runtime, AuditKind.USER_UNDO_REFUSED)
    assert (event.target_id, event.cause) == (UUID(stolen.id), "LAST_ADMINISTRATOR")
    await accounts.administrator()
    assert (await disown(client, notice)).status_code == 204
    assert not (await find_user(runtime, stolen)).is_active


async def _follow(person: Person, mail: Letter) -> httpx2.Response:
    if mail.page == "/mail/reset":
        return await reset(person.http, token=mail.token)
    return await (confirm(person, token=mail.token) if mail.page == "/mail/change" else disown(person.http, mail))


async def _again(runtime: Runtime, http: httpx2.AsyncClient, ada: Person) -> Person:
    """Choose a new password, and sign in with it."""
    assert (await reset(http, token=(await newest(runtime, ADA, RESET)).token)).status_code == 204
    return await Person(http, ada.id, ADA, NEW_PASSWORD).sign_in()
