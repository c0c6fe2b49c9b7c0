"""Who may make an account, what a stranger learns of it, and who comes in without a proof of the address."""

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from app.models import AuditKind, MailedProof, Purpose, User
from app.runtime import Runtime
from tests.accounts import API, PASSWORD
from tests.answers import field_error_of, problem_of
from tests.audit import event_of, events_of
from tests.contention import at_once
from tests.mailed.inbox import letters, newest
from tests.mailed.registering import ADA, GRACE, OTHERS_PASSWORD, Tab, log_in, made, resend
from tests.outbox import mails_of
from tests.rows import change_user, count

REQUIRED = pytest.mark.settings(EMAIL_VERIFICATION="required")
OPTIONAL = pytest.mark.settings(EMAIL_VERIFICATION="optional")


@REQUIRED
async def test_registering_says_the_same_of_a_known_and_an_unknown_address(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.7-01, 3.7-02: byte for byte, after one hash each; only the mail differs."""
    before = runtime.hashing.computed
    first, second = await Tab(client).register(), await Tab(client).register(password=OTHERS_PASSWORD)
    assert runtime.hashing.computed == before + 2
    assert (first.status_code, first.content) == (second.status_code, second.content) == (202, b'{"expires_in":86400}')
    assert [mail.kind for mail in await letters(runtime, ADA)] == ["verify_address", "already_registered"]
    assert await count(runtime, User) == 1
    assert (await event_of(runtime, AuditKind.USER_REGISTRATION_REFUSED)).cause == "EMAIL_TAKEN"


@REQUIRED
async def test_the_mail_goes_to_the_stored_address(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.3-19: however somebody spells it."""
    await Tab(client).register("Ada.Lovelace@example.com")
    await Tab(client).register("ADA.LOVELACE@EXAMPLE.COM")
    await resend(client, "ada.lovelace@example.com")
    assert {mail.to for mail in await letters(runtime)} == {"Ada.Lovelace@example.com"}
    assert len(await letters(runtime)) == 3


@REQUIRED
async def test_nobody_comes_in_before_the_address_is_proved(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """S35, 3.3-03, ID-08: and only whoever knows the password learns that this is why."""
    tab = Tab(client)
    await tab.register()
    problem = problem_of(await log_in(client), 403, "EMAIL_NOT_VERIFIED")
    assert problem["next_step"] == "verify_address"
    problem_of(await log_in(client, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")
    mail = await newest(runtime, ADA)
    assert mail.page == "/mail/verify"
    answer = await tab.confirm(token=mail.token)
    assert (answer.status_code, answer.json()) == (200, {"email": ADA, "has_password": True})
    assert (await log_in(client)).status_code == 200


@REQUIRED
async def test_of_fifty_registrations_at_once_one_makes_the_account(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.9-01: and all of them are answered the same."""
    answers = await at_once(10, lambda: Tab(client).register())
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"expires_in":86400}')}
    assert await count(runtime, User) == 1
    assert await count(runtime, MailedProof, MailedProof.email_normal == ADA) == 1


@REQUIRED
async def test_registering_again_leaves_the_first_mail_as_it_is(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """PW-07: a stranger cannot make the owner's link worthless by typing the address."""
    tab = Tab(client)
    await tab.register()
    link = await newest(runtime, ADA, "verify_address")
    await Tab(client).register(password=OTHERS_PASSWORD)
    assert (await tab.confirm(token=link.token)).status_code == 200
    assert (await log_in(client)).status_code == 200
    problem_of(await log_in(client, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")


@OPTIONAL
async def test_where_it_is_optional_people_are_asked_and_come_in(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    tab = Tab(client)
    assert (await tab.register()).status_code == 201
    assert (await log_in(client)).status_code == 200
    problem_of(await tab.register(), 409, "EMAIL_TAKEN")
    assert [mail.kind for mail in await letters(runtime)] == ["verify_address"]
    assert (await tab.confirm(token=(await newest(runtime, ADA)).token)).status_code == 200


async def test_where_it_is_off_nobody_is_asked(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    assert (await Tab(client).register()).status_code == 201
    assert await mails_of(runtime) == []
    assert (await log_in(client)).status_code == 200


@REQUIRED
async def test_whoever_was_vouched_for_by_an_administrator_comes_in(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """The first administrator, and whoever is made one by the command, need no mail server to get started."""
    assert (await made(client, runtime)).tokens


@REQUIRED
async def test_the_mail_speaks_the_language_of_the_browser(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await Tab(client, page={"Sec-Fetch-Site": "same-origin", "Accept-Language": "fr, de-AT;q=0.8"}).register()
    (mail,) = await mails_of(runtime)
    assert mail.locale == "de"


@pytest.mark.settings(SIGN_UP="invite")
async def test_with_invitations_alone_nobody_registers(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """SIGN_UP: known or not, the answer is the same."""
    problem_of(await Tab(client).register(), 403, "SIGN_UP_CLOSED")
    assert await count(runtime, User) == 0


@pytest.mark.settings(SIGN_UP="closed")
async def test_with_sign_up_closed_administrators_are_still_made(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """The first administrator and `users create-admin` stay possible."""
    problem_of(await Tab(client).register(), 403, "SIGN_UP_CLOSED")
    assert (await made(client, runtime)).tokens


@pytest.mark.settings(SIGN_UP_DOMAINS="example.com, exämple.org")
@pytest.mark.parametrize(
    ("email", "allowed"),
    [
        pytest.param("ada@example.com", True, id="listed"),
        pytest.param("ada@EXAMPLE.com", True, id="capitals"),
        pytest.param("ada@exämple.org", True, id="umlaut"),
        pytest.param("ada@xn--exmple-cua.org", True, id="punycode"),
        pytest.param("ada@sub.example.com", False, id="sub-domain"),
        pytest.param("ada@notexample.com", False, id="ends alike"),
        pytest.param("ada@example.com.example.net", False, id="begins alike"),
        pytest.param("example.com@evil.example", False, id="as the local part"),
        pytest.param('"ada@example.com"@evil.example', False, id="quoted"),
    ],
)
async def test_only_addresses_of_the_listed_domains_register(
    client: httpx2.AsyncClient, email: str, *, allowed: bool
) -> None:
    """3.3-19, SIGN_UP_DOMAINS: the domain that mail goes to is the one that is compared."""
    answer = await Tab(client).register(email)
    if allowed:
        assert answer.status_code == 201
    else:
        assert field_error_of(answer)[0] == "/email"


@REQUIRED
async def test_another_mail_goes_to_whoever_waits_for_it_and_to_nobody_else(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.7-02: one answer, byte for byte; the mail before counts no more."""
    tab = Tab(client)
    await tab.register()
    first = await newest(runtime, ADA)
    proved, disabled = await made(client, runtime), await made(client, runtime, "disabled@example.com")
    await change_user(runtime, proved, email_verified_at=datetime.now(UTC))
    await change_user(runtime, disabled, is_active=False)
    before = len(await letters(runtime))
    answers = [await resend(client, email) for email in (ADA, proved.email, disabled.email, "nobody@example.com")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"expires_in":86400}')}
    assert [mail.to for mail in (await letters(runtime))[before:] if mail.to == ADA] == [ADA]
    assert not [mail for mail in await letters(runtime) if mail.to in {disabled.email, "nobody@example.com"}]
    problem_of(await tab.confirm(token=first.token), 400, "MAILED_PROOF_INVALID")
    answer = await tab.confirm(email=ADA, code=(await newest(runtime, ADA)).code)
    assert answer.json() == {"email": ADA, "has_password": True}
    events = await events_of(runtime, AuditKind.USER_VERIFICATION_REQUESTED)
    assert {event.cause for event in events} >= {None, "unknown_address", "nothing_to_prove"}


@REQUIRED
async def test_who_was_signed_in_when_it_became_required_is_refused_at_the_next_sign_in(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """The gate stands before every new session, whichever way was taken."""
    ada = await made(client, runtime)
    assert (await log_in(client, GRACE)).status_code == 200
    await change_user(runtime, ada, role_name="user")
    problem_of(await log_in(client, GRACE), 403, "EMAIL_NOT_VERIFIED")
    assert (await ada.get("/auth/me")).status_code == 200


@OPTIONAL
async def test_an_answer_that_could_not_be_committed_is_none(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.9-05: account, proof and mail are one transaction."""
    response = await client.post(
        f"{API}/auth/register", json={"email": GRACE, "password": PASSWORD, "full_name": "\u202e"}
    )
    assert response.status_code == 422
    assert await count(runtime, User) == await count(runtime, MailedProof) == len(await mails_of(runtime)) == 0


@REQUIRED
async def test_one_confirmation_of_many_at_once_succeeds(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.4-05, 3.9-01: by link and by code."""
    tab = Tab(client)
    await tab.register()
    mail = await newest(runtime, ADA)
    ways = [tab.confirm(token=mail.token) for _ in range(5)] + [tab.confirm(email=ADA, code=mail.code) for _ in "12345"]
    answers = await asyncio.gather(*ways)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    kind = MailedProof.purpose == Purpose.VERIFY_ADDRESS
    assert await count(runtime, MailedProof, kind, MailedProof.email_normal == ADA) == 0
