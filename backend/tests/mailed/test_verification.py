"""Proving an address: what stays of what was put into the account before, and what goes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert

from app.auth.sign_up_browser import SIGN_UP_COOKIE
from app.config import Settings
from app.models import AuditKind, EndCause, Identity, Purpose, Session
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Person
from tests.answers import field_error_of, problem_of
from tests.audit import event_of, events_of
from tests.instances import instance
from tests.mailed.inbox import newest
from tests.mailed.proving import change_proofs, issue, proofs_in
from tests.mailed.recovering import identity
from tests.mailed.registering import ADA, GRACE, OTHERS_PASSWORD, Tab, log_in, made, resend
from tests.rows import change_user, count, find_user, living_sessions, write

pytestmark = pytest.mark.settings(EMAIL_VERIFICATION="optional")


async def registered(tab: Tab, email: str = ADA, password: str = PASSWORD) -> Person:
    """Register, and return the account's user, signed in."""
    answer = await tab.register(email, password)
    assert answer.status_code == 201, answer.text
    return await Person(tab.http, answer.json()["id"], email, password).sign_in()


async def test_the_browser_that_registered_keeps_everything(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.3-05: it is the same person who chose the password and reads the mail."""
    tab = Tab(client)
    ada = await registered(tab)
    await write(runtime, insert(Identity).values(identity(ada, "1", at=datetime.now(UTC))))
    answer = await tab.confirm(token=(await newest(runtime, ADA)).token)
    assert answer.json() == {"email": ADA, "has_password": True}
    assert (await find_user(runtime, ada)).email_verified_at is not None
    assert len(await living_sessions(runtime, ada)) == await count(runtime, Identity) == 1
    assert (await log_in(client)).status_code == 200
    assert (await event_of(runtime, AuditKind.USER_ADDRESS_PROVED)).detail == {"kept": True}


async def test_whoever_registered_the_address_of_somebody_else_loses_everything_by_its_proof(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-03, 3.3-05: the attacker came first. The owner follows the link in a browser of their own."""
    attacker = await registered(Tab(client), password=OTHERS_PASSWORD)
    now = datetime.now(UTC)
    await write(runtime, insert(Identity).values(identity(attacker, "attacker", at=now)))
    for purpose in (Purpose.SIGN_IN, Purpose.RESET_PASSWORD, Purpose.CHANGE_ADDRESS):
        await issue(runtime, purpose, user_id=UUID(attacker.id), email_normal=f"{purpose}@attacker.example")
    answer = await Tab(client).confirm(token=(await newest(runtime, ADA)).token)
    assert answer.json() == {"email": ADA, "has_password": False}
    problem_of(await log_in(client, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")
    problem_of(await attacker.get("/auth/me"), 401, "SESSION_ENDED")
    assert (await attacker.refresh()).status_code == 401
    assert await count(runtime, Session, Session.end_cause == EndCause.ADDRESS_PROVED.value) == 1
    assert await count(runtime, Identity) == 0
    assert await proofs_in(runtime) == []
    assert (await event_of(runtime, AuditKind.USER_ADDRESS_PROVED)).detail == {"kept": False}


@pytest.mark.parametrize("where", ["elsewhere", "in the browser that registered"])
async def test_name_and_language_stay_only_in_the_browser_that_registered(
    client: httpx2.AsyncClient, runtime: Runtime, where: str
) -> None:
    """3.3-05, 3.6-08: a squatter's text greets the owner in no mail of ours."""
    tab = Tab(client)
    answer = await tab.register(full_name="Your parcel 4711 is held")
    await change_user(runtime, Person(client, answer.json()["id"], ADA, PASSWORD), locale="de")
    proving = Tab(client) if where == "elsewhere" else tab
    assert (await proving.confirm(token=(await newest(runtime, ADA)).token, password=PASSWORD)).status_code == 200
    user = await find_user(runtime, Person(client, answer.json()["id"], ADA, PASSWORD))
    stays = where != "elsewhere"
    assert (user.full_name is not None, "parcel" in user.search_text) == (stays, stays)
    assert user.locale == ("de" if stays else None)


async def test_whoever_registers_second_gets_nothing_of_the_owners_account(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-05: the owner came first, and the attacker before the owner's proof."""
    own, attackers = Tab(client), Tab(client)
    ada = await registered(own)
    problem_of(await attackers.register(password=OTHERS_PASSWORD), 409, "EMAIL_TAKEN")
    await resend(client)
    await own.confirm(token=(await newest(runtime, ADA)).token)
    assert (await find_user(runtime, ada)).email_verified_at is not None
    assert (await log_in(client)).status_code == 200
    problem_of(await log_in(client, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("how", ["link", "code"])
async def test_elsewhere_the_password_that_comes_with_the_proof_is_the_one_that_counts(
    client: httpx2.AsyncClient, runtime: Runtime, how: str
) -> None:
    """3.3-05: registered on one device, confirmed on another one, or in an app that keeps no cookies."""
    attacker = await registered(Tab(client), password=OTHERS_PASSWORD)
    mail = await newest(runtime, ADA)
    brought = {"token": mail.token} if how == "link" else {"email": ADA, "code": mail.code}
    answer = await Tab(client, page={}).confirm(**brought, password=PASSWORD)
    assert answer.json() == {"email": ADA, "has_password": True}
    assert await living_sessions(runtime, attacker) == set()
    assert (await log_in(client)).status_code == 200
    problem_of(await log_in(client, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")


async def test_a_password_that_is_not_accepted_leaves_the_mail_as_it_is(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """It may be the account's own word, which only the proof makes known."""
    await registered(Tab(client))
    mail = await newest(runtime, ADA)
    for weak in ("short", "ada@example.com"):
        answer = await Tab(client).confirm(token=mail.token, password=weak)
        assert field_error_of(answer)[0] == "/password"
    assert (await Tab(client).confirm(token=mail.token, password=PASSWORD)).status_code == 200


async def test_a_browser_that_registered_two_keeps_both(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    tab = Tab(client)
    await registered(tab)
    kept = tab.kept
    await registered(tab, GRACE)
    assert tab.kept == kept
    for email in (ADA, GRACE):
        assert (await tab.confirm(token=(await newest(runtime, email)).token)).json()["has_password"]


async def test_another_mail_belongs_to_the_browser_that_registered_and_not_to_the_one_that_asked(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-05: else an attacker's password would stay because the owner asked for a mail."""
    tab, owners = Tab(client), Tab(client)
    await registered(tab, password=OTHERS_PASSWORD)
    await owners.register(GRACE)
    await owners.post("/auth/verification/resend", {"email": ADA})
    assert (await owners.confirm(token=(await newest(runtime, ADA)).token)).json()["has_password"] is False
    problem_of(await log_in(client, password=OTHERS_PASSWORD), 401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example"}, id="a neighbour"),
        pytest.param({"Origin": "null"}, id="a sandbox"),
        pytest.param({}, id="no browser"),
    ],
)
async def test_a_page_of_another_site_makes_no_browser_the_one_that_registered(
    client: httpx2.AsyncClient, runtime: Runtime, page: dict[str, str]
) -> None:
    """3.3-05, 3.3-10: an attacker's page cannot register its own password from the owner's browser."""
    victim = Tab(client)
    await victim.register(GRACE)
    planted = Tab(client, page=page, kept=victim.kept)
    answer = await planted.register(password=OTHERS_PASSWORD)
    assert "set-cookie" not in answer.headers
    assert (await victim.confirm(token=(await newest(runtime, ADA)).token)).json()["has_password"] is False


async def test_a_secret_that_is_none_or_stands_there_twice_keeps_nothing(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-05: a neighbour who plants a second cookie decides nothing."""
    tab = Tab(client)
    await tab.register()
    twice = f"{tab.kept}; {SIGN_UP_COOKIE}={'A' * 43}"
    answer = await Tab(client, kept=twice).confirm(token=(await newest(runtime, ADA)).token)
    assert answer.json()["has_password"] is False


@pytest.mark.parametrize("kept", ["", "none", "None", "A" * 43, "A" * 5000])
async def test_no_made_up_secret_is_that_of_the_browser(
    client: httpx2.AsyncClient, runtime: Runtime, kept: str
) -> None:
    """3.3-05."""
    await Tab(client, page={}).register()
    answer = await Tab(client, kept=kept).confirm(token=(await newest(runtime, ADA)).token)
    assert answer.json()["has_password"] is False


async def test_a_proof_counts_for_the_address_that_it_was_mailed_to_alone(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-17: once the account has another address, the old mail proves nothing."""
    tab = Tab(client)
    ada = await registered(tab)
    mail = await newest(runtime, ADA)
    await change_user(runtime, ada, email=GRACE, email_normal=GRACE)
    problem_of(await tab.confirm(token=mail.token), 400, "MAILED_PROOF_INVALID")
    assert (await find_user(runtime, ada)).email_verified_at is None
    refused = await events_of(runtime, AuditKind.USER_ADDRESS_PROOF_REFUSED)
    assert [event.cause for event in refused] == ["MAILED_PROOF_INVALID"]


async def test_a_disabled_account_proves_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """3.3-16."""
    tab = Tab(client)
    ada = await registered(tab)
    mail = await newest(runtime, ADA)
    await change_user(runtime, ada, is_active=False)
    problem_of(await tab.confirm(token=mail.token), 400, "MAILED_PROOF_INVALID")


async def test_a_mail_counts_for_a_day(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """PW-07."""
    tab = Tab(client)
    await tab.register()
    (proof,) = await proofs_in(runtime)
    assert proof.expires_at - proof.created_at == timedelta(hours=24)
    await change_proofs(runtime, expires_at=datetime.now(UTC))
    problem_of(await tab.confirm(token=(await newest(runtime, ADA)).token), 400, "MAILED_PROOF_INVALID")


async def test_a_proof_that_comes_late_takes_nothing_from_who_has_proved_it_otherwise(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """A reset, or a provider, was faster: the account is its owner's already."""
    ada = await registered(Tab(client))
    await change_user(runtime, ada, email_verified_at=datetime.now(UTC))
    answer = await Tab(client).confirm(token=(await newest(runtime, ADA)).token, password=OTHERS_PASSWORD)
    assert answer.json() == {"email": ADA, "has_password": True}
    assert len(await living_sessions(runtime, ada)) == 1
    assert (await log_in(client)).status_code == 200


async def test_an_account_that_an_administrator_vouched_for_stays_as_it_is(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """Its password is no stranger's, wherever the mail is opened."""
    admin = await made(client, runtime, ADA)
    await resend(client)
    assert (await Tab(client).confirm(token=(await newest(runtime, ADA)).token)).json()["has_password"]
    assert len(await living_sessions(runtime, admin)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": "x", "email": ADA, "code": "1"},
        {"email": ADA},
        {"code": "12345678"},
        {"token": "x", "email": ADA},
        {"token": None},
    ],
    ids=str,
)
async def test_either_a_link_or_a_code_with_its_address_comes(
    client: httpx2.AsyncClient, body: dict[str, object]
) -> None:
    problem_of(await Tab(client).confirm(**body), 422, "VALIDATION_FAILED")


async def test_looking_at_a_link_proves_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """PW-07: a program that opens every link of a mail, by GET and by HEAD."""
    ada = await registered(Tab(client))
    mail = await newest(runtime, ADA)
    for method in ("GET", "HEAD"):
        await client.request(method, mail.page)
        await client.request(method, f"{API}/auth/verification/confirm?token={mail.token}")
    assert (await find_user(runtime, ada)).email_verified_at is None
    assert len(await proofs_in(runtime)) == 1


async def test_another_worker_takes_the_proof_as_well(
    client: httpx2.AsyncClient, runtime: Runtime, settings: Settings
) -> None:
    tab = Tab(client)
    await tab.register()
    async with instance(settings) as second:
        elsewhere = Tab(second.http, kept=tab.kept)
        answer = await elsewhere.confirm(token=(await newest(runtime, ADA)).token)
    assert answer.json()["has_password"]
