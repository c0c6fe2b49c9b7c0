"""Who comes from a provider makes an account by the same rules as everybody: SIGN_UP, SIGN_UP_DOMAINS, EMAIL_VERIFICATION."""

import asyncio

import httpx2
import pytest
from sqlalchemy import select

from app.config import Settings
from app.models import Identity, MailedProof, User
from app.offline.testing import ADA
from app.runtime import Runtime
from app.services.federation.link_check import SupposedComer, check_link
from tests.accounts import PASSWORD, Person
from tests.answers import problem_of
from tests.federation.browsers import Browser, landing_of, parameters_of
from tests.federation.linking import GRACE, link
from tests.mailed.inbox import newest
from tests.mailed.registering import Tab, log_in, made
from tests.rows import change_user, count

ADMIN = "root@example.com"


async def refused(browser: Browser) -> dict[str, str]:
    """Come from Google, and return what the front end is told."""
    return parameters_of(await browser.land(ADA))


async def account_of_ada(runtime: Runtime) -> User:
    (user,) = await runtime.database.read.entities(select(User).where(User.email_normal == ADA.email))
    return user


async def invite_ada(client: httpx2.AsyncClient, runtime: Runtime, role: str = "user") -> Person:
    root = await made(client, runtime, ADMIN)
    answer = await root.post("/invitations/", json={"email": ADA.email, "role": role})
    assert answer.status_code == 202, answer.text
    return root


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("invite", marks=pytest.mark.settings(SIGN_UP="invite")),
        pytest.param("closed", marks=pytest.mark.settings(SIGN_UP="closed")),
        pytest.param("other domains", marks=pytest.mark.settings(SIGN_UP_DOMAINS="example.org")),
    ],
)
async def test_where_nobody_registers_nobody_comes_new_from_a_provider(
    browser: Browser, runtime: Runtime, mode: str
) -> None:
    """ID-06, 3.7-07: no way in is a way around another one's rule."""
    said = await refused(browser)
    assert (said["error"], said.get("reason", "sign_up_closed")) == ("IDENTITY_REFUSED", "sign_up_closed"), mode
    assert await count(runtime, User) == await count(runtime, Identity) == 0


@pytest.mark.settings(SIGN_UP_DOMAINS=ADA.email.rpartition("@")[2])
async def test_whoever_has_an_address_of_a_listed_domain_comes(browser: Browser, runtime: Runtime) -> None:
    await browser.sign_in()
    assert (await account_of_ada(runtime)).email_verified_at is not None


@pytest.mark.settings(SIGN_UP="closed")
async def test_whoever_came_before_comes_in_with_sign_up_closed(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """ID-06: closing is for accounts that are not there."""
    ada = await made(client, runtime, ADA.email)
    assert parameters_of(landing_of(await link(browser, ada, ADA))) == {"linked": "google"}
    assert (await browser.sign_in())["access_token"]


@pytest.mark.settings(SIGN_UP="invite", EMAIL_VERIFICATION="required")
async def test_whoever_was_invited_may_come_by_google_instead(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """The invitation is used up, and its role counts."""
    await invite_ada(client, runtime, role="admin")
    mail = await newest(runtime, ADA.email)
    await browser.sign_in()
    assert (await account_of_ada(runtime)).role_name == "admin"
    assert await count(runtime, MailedProof, MailedProof.email_normal == ADA.email) == 0
    body = {"token": mail.token, "password": PASSWORD}
    problem_of(await client.post("/api/v1/invitations/accept", json=body), 400, "MAILED_PROOF_INVALID")


@pytest.mark.settings(SIGN_UP="invite")
async def test_an_invitation_counts_for_a_provider_that_hands_out_the_mailbox_alone(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """ID-05, 3.3-02: anybody may have told another provider that the address is theirs."""
    await invite_ada(client, runtime, role="admin")
    said = parameters_of(await browser.land(ADA, provider="acme"))
    assert said["error"] == "IDENTITY_REFUSED"
    assert await count(runtime, User, User.email_normal == ADA.email) == 0


@pytest.mark.settings(SIGN_UP="invite")
async def test_an_invitation_ends_with_its_sender_here_as_well(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.5-02, 3.5-04."""
    root = await invite_ada(client, runtime, role="admin")
    await change_user(runtime, root, is_active=False)
    assert (await refused(browser))["error"] == "IDENTITY_REFUSED"
    assert await count(runtime, User, User.email_normal == ADA.email) == 0


@pytest.mark.settings(SIGN_UP="invite")
async def test_an_invitation_is_used_once_by_google_and_by_its_link_at_once(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.4-05, 3.9-01: whichever comes first."""
    await invite_ada(client, runtime)
    mail = await newest(runtime, ADA.email)
    body = {"token": mail.token, "password": PASSWORD}
    by_link, _ = await asyncio.gather(client.post("/api/v1/invitations/accept", json=body), browser.land(ADA))
    assert by_link.status_code in {201, 400}
    assert await count(runtime, User, User.email_normal == ADA.email) == 1
    assert await count(runtime, MailedProof, MailedProof.email_normal == ADA.email) == 0


@pytest.mark.settings(EMAIL_VERIFICATION="required")
async def test_the_owner_by_google_comes_in_to_an_account_that_waits_for_its_proof(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """ID-07, 3.3-03: a stranger's registration keeps the owner out no more than it lets the stranger in."""
    await Tab(client).register(ADA.email)
    mail = await newest(runtime, ADA.email)
    await browser.sign_in()
    problem_of(await log_in(client, ADA.email), 401, "INVALID_CREDENTIALS")
    problem_of(await Tab(client).confirm(token=mail.token), 400, "MAILED_PROOF_INVALID")


@pytest.mark.settings(EMAIL_VERIFICATION="required")
async def test_the_word_of_a_provider_is_enough_to_come_in(browser: Browser, runtime: Runtime) -> None:
    """Though not to keep others out: the account goes on giving way to a better proof."""
    landing = await browser.land(ADA, provider="acme")
    assert (await browser.exchange(landing)).status_code == 200
    assert (await account_of_ada(runtime)).email_verified_at is None


@pytest.mark.settings(EMAIL_VERIFICATION="required")
async def test_an_identity_of_another_address_proves_nothing(
    browser: Browser, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.3-05: an attacker who waits with somebody else's address does not come in by an identity of their own."""
    attacker = await made(client, runtime, "victim@example.com")
    assert parameters_of(landing_of(await link(browser, attacker, GRACE))) == {"linked": "google"}
    await change_user(runtime, attacker, role_name="user", email_verified_at=None)
    assert parameters_of(await browser.land(GRACE))["error"] == "EMAIL_NOT_VERIFIED"


@pytest.mark.settings(SIGN_UP="invite")
async def test_the_forecast_heeds_invitations(client: httpx2.AsyncClient, runtime: Runtime, settings: Settings) -> None:
    """ID-06: `ostiary link-check` says what would happen."""
    provider = runtime.federation.provider("google")
    comer = SupposedComer(provider, None, ADA.email, verified=True, hosted_domain=ADA.hosted_domain)
    said = await check_link(runtime.database.read, settings=settings, comer=comer, signed_in_as=None)
    assert said.rule == "sign_up_closed"
    await invite_ada(client, runtime)
    said = await check_link(runtime.database.read, settings=settings, comer=comer, signed_in_as=None)
    assert said.rule == "new_account"
