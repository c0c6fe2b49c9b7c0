"""What a stranger causes in somebody's mailbox, and what its owner gets all the same."""

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import FastAPI

from app.models import AuditKind
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts, Person
from tests.answers import problem_of
from tests.audit import events_of
from tests.limits.trying import Guesser
from tests.mailed.inbox import letters, newest
from tests.mailed.recovering import (
    ADA,
    CONFIRM,
    GRACE,
    NEW,
    NEW_PASSWORD,
    NOTICE,
    RESET,
    THIEFS_PASSWORD,
    ask_for,
    can_sign_in,
    confirm,
    forget,
    forgotten,
    move,
    proved,
    reset,
)
from tests.mailed.registering import Tab, made, resend
from tests.rows import add_role, change_user
from tests.statements import recorded_statements
from tests.visitors import visiting

CAP = 4
FEW = pytest.mark.settings(MAIL_PER_ADDRESS_PER_HOUR=CAP, EMAIL_VERIFICATION="optional")
VERIFY, CODE, INVITATION = "verify_address", "sign_in_code", "invitation"


async def squat(accounts: Accounts) -> None:
    """Register somebody's address, ask for mails, and delete the account again."""
    squatter = await accounts.signed_in(ADA)
    await forget(squatter.http, ADA)
    await resend(squatter.http, ADA)
    assert (await squatter.post("/auth/me/delete", json={"password": PASSWORD})).status_code == 204


async def number_of(runtime: Runtime, kind: str, to: str = ADA) -> int:
    return len(await letters(runtime, to, kind))


@FEW
async def test_accounts_that_come_and_go_leave_the_owner_links_that_count(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.7-08, 3.7-10: they fill a mailbox no further than to the cap, and the last mail of each kind is worth something."""
    for _ in range(CAP + 2):
        await squat(accounts)
    await accounts.register(ADA, password=THIEFS_PASSWORD)
    assert (await resend(client, ADA)).status_code == 202
    assert (await forget(client, ADA)).status_code == 202
    assert (await number_of(runtime, VERIFY), await number_of(runtime, RESET)) == (CAP, CAP // 2)
    link = (await newest(runtime, ADA, VERIFY)).token
    assert (await Tab(client).confirm(token=link, password=NEW_PASSWORD)).status_code == 200
    assert await can_sign_in(client, ADA, NEW_PASSWORD)
    assert not await can_sign_in(client, ADA, THIEFS_PASSWORD)


@FEW
@pytest.mark.parametrize("by_moving", [False, True])
@pytest.mark.parametrize("by_code", [False, True])
async def test_what_chooses_a_password_counts_after_the_squatter_has_gone_and_come_again(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient, by_moving: bool, by_code: bool
) -> None:
    """3.7-08, 3.3-05: whether the account was deleted or took another address. It counts once."""
    squatter = await accounts.signed_in(ADA)
    mail = await forgotten(runtime, squatter)
    if by_moving:
        await move(runtime, squatter)
    else:
        await squatter.post("/auth/me/delete", json={"password": PASSWORD})
    again = await accounts.signed_in(ADA)
    brought = {"email": ADA, "code": mail.code} if by_code else {"token": mail.token}
    assert (await reset(client, **brought)).status_code == 204
    assert (await again.get("/auth/me")).status_code == 401
    assert await can_sign_in(client, ADA, NEW_PASSWORD)
    problem_of(await reset(client, **brought), 400, "MAILED_PROOF_INVALID")


@FEW
async def test_a_link_that_outlived_its_account_is_spent_once_while_further_mails_are_asked_for(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.4-09: everybody takes the account before what was mailed, so nobody waits for the other in vain."""
    squatter = await accounts.signed_in(ADA)
    mail = await forgotten(runtime, squatter)
    await squatter.post("/auth/me/delete", json={"password": PASSWORD})
    await accounts.register(ADA)
    calls = [call for _ in range(3) for call in (reset(client, token=mail.token), forget(client, ADA))]
    statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert statuses.count(202) == 3
    assert statuses.count(204) <= 1
    assert set(statuses) <= {202, 204, 400}


@FEW
@pytest.mark.parametrize("change", [{"email_verified_at": datetime(2026, 1, 1, tzinfo=UTC)}, {"role_name": "admin"}])
async def test_what_was_mailed_for_a_squatter_s_account_is_worth_nothing_at_one_that_is_its_owner_s(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient, change: dict[str, object]
) -> None:
    """3.3-17: a proof of before is none for an account that somebody has proved or vouched for since."""
    squatter = await accounts.signed_in(ADA)
    mail = await forgotten(runtime, squatter)
    await squatter.post("/auth/me/delete", json={"password": PASSWORD})
    problem_of(await reset(client, email=GRACE, code=mail.code), 400, "MAILED_PROOF_INVALID")
    await change_user(runtime, await accounts.register(ADA), **change)
    problem_of(await reset(client, token=mail.token), 400, "MAILED_PROOF_INVALID")
    assert await can_sign_in(client, ADA, PASSWORD)


@FEW
async def test_a_deleted_account_that_was_proved_leaves_nothing_that_counts(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.3-17."""
    ada = await proved(accounts, runtime)
    mail = await forgotten(runtime, ada)
    await ada.post("/auth/me/delete", json={"password": PASSWORD})
    await accounts.register(ADA)
    problem_of(await reset(client, token=mail.token), 400, "MAILED_PROOF_INVALID")


@FEW
async def test_the_owner_gets_a_link_after_a_thief_has_ended_all_that_were_mailed(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.7-08, 3.7-10: a changed password ends them; there is room for one that counts, and for twice the cap in all."""
    thief, old, new = await proved(accounts, runtime), PASSWORD, THIEFS_PASSWORD
    for sent in (CAP // 2, CAP // 2 + 1, CAP, CAP):
        for _ in range(CAP):
            await forget(client, ADA)
        assert await number_of(runtime, RESET) == sent
        body = {"current_password": old, "new_password": new}
        assert (await thief.post("/auth/me/password", json=body)).status_code == 204
        old, new = new, old


@FEW
async def test_a_squatter_s_change_of_the_password_ends_no_link_of_the_owner_s(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-08, 3.3-05: whoever reads the mail of an address owns it; whoever registered it first does not."""
    squatter = await accounts.signed_in(ADA)
    mail = await forgotten(runtime, squatter)
    body = {"current_password": PASSWORD, "new_password": THIEFS_PASSWORD}
    assert (await squatter.post("/auth/me/password", json=body)).status_code == 204
    assert (await reset(squatter.http, token=mail.token)).status_code == 204
    assert await can_sign_in(squatter.http, ADA, NEW_PASSWORD)
    assert (await squatter.get("/auth/me")).status_code == 401


@pytest.mark.settings(MAIL_PER_ADDRESS_PER_HOUR=CAP, LIMITS_ENABLED=True)
@pytest.mark.parametrize("role", ["user", "admin"])
async def test_a_squatter_s_device_has_no_mails_of_its_own(
    app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime, role: str
) -> None:
    """3.7-10: of an account that nobody has proved or vouched for, no device is known to be its owner's."""
    person = await made(client, runtime, ADA, role=role)
    device = Guesser(app)
    assert (await device.sign_in(person.email, PASSWORD)).status_code == 200
    assert device.device
    for http in (Guesser(app), device):
        for _ in range(CAP // 2 + 1):
            await http.call("POST", "/auth/password/forgot", json={"email": ADA})
            await http.call("POST", "/auth/code/request", json={"email": ADA})
    shares = 2 if role == "admin" else 1
    assert await number_of(runtime, RESET) == shares * CAP // 2
    assert await number_of(runtime, CODE) == shares


@FEW
async def test_others_who_ask_for_an_address_take_no_link_from_who_asked_before(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-08: the mail that is held back issues nothing, so the one before counts on."""
    ada = await proved(accounts, runtime)
    await ask_for(ada, NEW)
    first = await newest(runtime, NEW, CONFIRM)
    for number in range(CAP):
        await ask_for(await accounts.signed_in(f"stranger-{number}@example.com"), NEW)
    before = await number_of(runtime, CONFIRM, NEW)
    assert (await ask_for(ada, NEW)).status_code == 202
    assert await number_of(runtime, CONFIRM, NEW) == before
    assert (await confirm(ada, token=first.token)).status_code == 204


@FEW
@pytest.mark.parametrize("asked_before", [False, True])
async def test_who_has_no_link_gets_one_though_others_asked_for_the_address(
    accounts: Accounts, runtime: Runtime, asked_before: bool
) -> None:
    """3.7-08: a link of another session's is none: it dies with that session."""
    ada = await proved(accounts, runtime)
    if asked_before:
        await ask_for(await ada.sign_in(), NEW)
    for number in range(CAP):
        await ask_for(await accounts.signed_in(f"stranger-{number}@example.com"), NEW)
    await ask_for(ada, NEW)
    assert (await confirm(ada, token=(await newest(runtime, NEW, CONFIRM)).token)).status_code == 204


@FEW
async def test_however_many_ask_for_an_address_it_gets_twice_as_many_mails_and_no_more(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.7-10, 3.7-02: and whether it has an account is told neither by the answer nor by the work."""
    await accounts.register(GRACE)
    people = [await proved(accounts, runtime, f"stranger-{number}@example.com") for number in range(2 * CAP + 1)]
    for person in people:
        for email in (NEW, GRACE):
            await ask_for(person, email)
    assert await number_of(runtime, CONFIRM, NEW) == 2 * CAP
    with recorded_statements(runtime) as for_free:
        free = await ask_for(people[-1], NEW)
    with recorded_statements(runtime) as for_taken:
        taken = await ask_for(people[-1], GRACE)
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    assert sum("mailed_proofs" in statement for statement in for_free) == sum(
        "mailed_proofs" in statement for statement in for_taken
    )
    assert len(for_free) == len(for_taken)


async def invite(person: Person, email: str = ADA) -> httpx2.Response:
    return await person.post("/invitations/", json={"email": email})


@FEW
async def test_who_invites_too_often_is_told_and_the_invitation_before_counts_on(
    accounts: Accounts, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """3.7-10: no inviter is told that a mail is on its way which is not."""
    root = await accounts.administrator()
    assert [(await invite(root)).status_code for _ in range(CAP)] == [202] * CAP
    answer = await invite(root)
    assert problem_of(answer, 429, "RATE_LIMITED")["retry_after"] == 3600
    assert await number_of(runtime, INVITATION) == CAP
    causes = [event.cause for event in await events_of(runtime, AuditKind.USER_INVITATION_REFUSED)]
    assert causes == ["RATE_LIMITED"]
    body = {"token": (await newest(runtime, ADA, INVITATION)).token, "password": PASSWORD}
    assert (await client.post("/api/v1/invitations/accept", json=body)).status_code == 201


@FEW
async def test_nobody_who_invites_uses_up_the_invitations_of_another(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-08: whoever has a lower role invites and revokes until no mail goes out, and not an administrator's either."""
    await add_role(runtime, "host", "users:invite", rank=10)
    host, root = await accounts.signed_in(), await accounts.administrator()
    await change_user(runtime, host, role_name="host")
    for _ in range(CAP):
        assert (await invite(host)).status_code == 202
        (item,) = (await host.get("/invitations/")).json()["items"]
        assert (await host.call("DELETE", f"/invitations/{item['id']}")).status_code == 204
    problem_of(await invite(host), 429, "RATE_LIMITED")
    assert (await invite(root)).status_code == 202
    assert await number_of(runtime, INVITATION) == CAP + 1


@FEW
async def test_the_cap_tells_no_inviter_who_has_an_account(accounts: Accounts, runtime: Runtime) -> None:
    """3.7-02: both mails are counted alike."""
    root, known = await accounts.administrator(), await proved(accounts, runtime, GRACE)
    for email in (known.email, "new@example.com"):
        statuses = [(await invite(root, email)).status_code for _ in range(CAP + 1)]
        assert statuses == [202] * CAP + [429]
    assert await number_of(runtime, "already_registered", GRACE) == CAP


async def test_the_last_notice_of_an_hour_says_that_there_may_be_more(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """SE-05: whoever signs in with many devices of their own learns that a thief's may be no news any more."""
    ada = await proved(accounts, runtime)
    for number in range(6):
        async with visiting(app, ada, user_agent=f"prog{number}/1.0") as abroad:
            await abroad.sign_in()
    notices = [mail.text for mail in await letters(runtime, ADA, NOTICE)]
    assert ["look at your sessions" in text for text in notices] == [False, False, False, True]
    held_back = await events_of(runtime, AuditKind.MAIL_HELD_BACK)
    assert [(str(event.target_id), event.cause) for event in held_back] == [(ada.id, "too_many")] * 2
    assert held_back[0].detail == {"mail": NOTICE, "notice": "new_device"}
