"""Whose account it is that somebody from a provider comes to: pre-hijacking, changing addresses, disabled accounts."""

from datetime import UTC, datetime
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert, select, update

from app.auth.identifiers import new_id
from app.config import Settings
from app.models import EndCause, Identity, Session, User
from app.offline.people import Person as GooglePerson
from app.offline.testing import ADA, Fault, RunningProvider
from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import problem_of
from tests.contention import at_once, hashing_held, queued_for_hashing, uncommitted, waiting_for_a_lock
from tests.federation.browsers import Browser, error_of, landing_of, parameters_of
from tests.federation.linking import GRACE, link, user_id_of, verified
from tests.instances import instance
from tests.rows import change_user, count, everything_but_spent_flows, find_user, living_sessions, write

# Pre-hijacking, in both orders of events.


async def test_the_owner_of_an_address_takes_it_back_from_whoever_registered_it(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-07, S69, 3.3-03, 3.3-05: password, sessions and identities that were put there without proof are dead."""
    attacker = await accounts.signed_in(ADA.email, name="Trojan")
    assert parameters_of(landing_of(await link(browser, attacker, GRACE))) == {"linked": "google"}
    tokens = await browser.sign_in()
    assert user_id_of(tokens) == attacker.id
    user = await find_user(runtime, attacker)
    assert (user.password_hash, user.full_name) == (None, ADA.name)
    assert user.email_verified_at is not None
    problem_of(await attacker.get("/auth/me"), 401, "SESSION_ENDED")
    assert (await attacker.refresh()).status_code == 401
    form = {"username": attacker.email, "password": attacker.password}
    problem_of(await attacker.http.post(f"{API}/auth/login", data=form), 401, "INVALID_CREDENTIALS")
    assert await count(runtime, Session, Session.end_cause == EndCause.ADDRESS_PROVED.value) == 1
    subjects = [identity.subject for identity in await runtime.database.read.entities(select(Identity))]
    assert subjects == [ADA.subject]


async def test_what_the_attacker_left_open_does_not_outlive_the_owner(
    accounts: Accounts, browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """ID-07, 3.3-05: a one-time code and a link that were under way when the owner came are dead as well."""
    attacker = await accounts.signed_in(ADA.email)
    await link(second_browser, attacker, GRACE)
    landing = await second_browser.land(GRACE)
    begun = await second_browser.post("/auth/acme/link", {}, **attacker.headers)
    callback = await second_browser.visitor.sign_in(begun.json()["authorization_url"], GRACE)
    await browser.sign_in()
    problem_of(await second_browser.exchange(landing), 400, "FLOW_INVALID")
    assert error_of(await second_browser.open(callback)) == "FLOW_INVALID"
    assert await count(runtime, Identity) == 1


async def test_nobody_registers_an_address_that_came_by_google(browser: Browser, client: httpx2.AsyncClient) -> None:
    """3.3-05, 3.3-18: the other order. There is no password to set or to guess, not even an empty one."""
    await browser.sign_in()
    body = {"email": "ADA@example.com", "password": "correct horse battery staple"}
    problem_of(await client.post(f"{API}/auth/register", json=body), 409, "EMAIL_TAKEN")
    for password in ("", " ", "null", "None", body["password"]):
        form = {"username": ADA.email, "password": password}
        assert (await client.post(f"{API}/auth/login", data=form)).status_code in {401, 422}


async def test_a_proved_account_does_not_give_way(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    """ID-06: its owner has to sign in as before, and to add the identity there."""
    owner = await verified(accounts, runtime)
    callback = await browser.come_back()
    before = await everything_but_spent_flows(runtime)
    assert error_of(await browser.open(callback)) == "LINK_REQUIRED"
    assert await everything_but_spent_flows(runtime) == before
    assert (await owner.get("/auth/me")).status_code == 200
    assert parameters_of(landing_of(await link(browser, owner))) == {"linked": "google"}
    assert user_id_of(await browser.sign_in()) == owner.id


async def test_an_administrator_s_account_never_gives_way(accounts: Accounts, browser: Browser) -> None:
    """ID-06: or whoever owns a mistyped address at Google would administer the installation."""
    administrator = await accounts.signed_in(ADA.email)
    await accounts.set_role(administrator, "admin")
    assert error_of(await browser.open(await browser.come_back())) == "LINK_REQUIRED"
    assert (await administrator.get("/auth/me")).status_code == 200


async def test_the_owner_and_the_attacker_at_once(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    """ID-07: whoever signs in with the password just then has no session afterwards."""
    attacker = await accounts.register(ADA.email)
    callback = await browser.come_back(transport="cookie")
    form = {"username": attacker.email, "password": attacker.password}

    async def sign_in() -> httpx2.Response:
        return await attacker.http.post(f"{API}/auth/login", data=form)

    responses = await at_once(3, sign_in) + [await browser.open(callback)] + await at_once(3, sign_in)
    assert landing_of(responses[3]) == "http://localhost:3000/"
    assert {response.status_code for response in responses[4:]} == {401}
    (living,) = await living_sessions(runtime, attacker)
    assert await count(runtime, Session, Session.id == living, Session.methods == "fed") == 1


# Who is no authority for an address.


async def keeps_its_account(
    accounts: Accounts, browser: Browser, runtime: Runtime, comer: GooglePerson, at: str
) -> None:
    """See that an account with a password, whose address nobody proved, does not give way to this comer."""
    owner = await accounts.signed_in(comer.email)
    callback = await browser.come_back(comer, at)
    before = await everything_but_spent_flows(runtime)
    assert error_of(await browser.open(callback)) == "LINK_REQUIRED"
    assert await everything_but_spent_flows(runtime) == before
    assert (await owner.get("/auth/me")).status_code == 200
    form = {"username": owner.email, "password": owner.password}
    assert (await owner.http.post(f"{API}/auth/login", data=form)).status_code == 200


async def test_google_without_the_organisation_takes_nobody_s_account(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-07, 3.3-02: Google verified this address once; whose mailbox it is now, it does not know."""
    await keeps_its_account(accounts, browser, runtime, GRACE, "google")


@pytest.mark.parametrize("email", ["ada@example.com", "ada@gmail.com"])
async def test_who_administers_another_provider_takes_nobody_s_account(
    accounts: Accounts, browser: Browser, runtime: Runtime, email: str
) -> None:
    """ID-07, 3.3-02: they can have it call any address verified, and name any organisation."""
    comer = GooglePerson(email=email, name="Trojan", hosted_domain=email.partition("@")[2])
    await keeps_its_account(accounts, browser, runtime, comer, "acme")


async def test_another_provider_is_the_authority_for_the_domains_in_its_settings(
    accounts: Accounts, settings: Settings, browser: Browser
) -> None:
    """ID-07: the operator says so, for each domain."""
    (acme,) = settings.OIDC_PROVIDERS
    listed = acme.model_copy(update={"domains": ["acme.example"]})
    attacker = await accounts.signed_in("ada@acme.example")
    other = await accounts.signed_in("ada@gmail.com")
    async with instance(settings.model_copy(update={"OIDC_PROVIDERS": [listed]})) as changed:
        browser.http = changed.http
        tokens = await browser.sign_in(GooglePerson(email=attacker.email, name="Ada"), "acme")
        stranger = GooglePerson(email=other.email, name="Ada")
        assert error_of(await browser.open(await browser.come_back(stranger, "acme"))) == "LINK_REQUIRED"
    assert user_id_of(tokens) == attacker.id
    problem_of(await attacker.get("/auth/me"), 401, "SESSION_ENDED")
    assert (await other.get("/auth/me")).status_code == 200


# Who it is.


async def test_a_new_address_at_the_provider_changes_nobody(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-03: the same subject is the same person; the account keeps its own address."""
    first = await browser.sign_in()
    with google.faults.having(Fault.CHANGED_ADDRESS):
        second = await browser.sign_in()
    assert user_id_of(first) == user_id_of(second)
    (user,) = await runtime.database.read.entities(select(User))
    (identity,) = await runtime.database.read.entities(select(Identity))
    assert (user.email, identity.email) == (ADA.email, identity.email)
    assert identity.email != ADA.email


async def test_two_google_accounts_with_one_address_are_two_people(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """ID-03, 3.3-01, 3.3-21: the address moves to somebody else at the provider; the account does not."""
    await browser.sign_in()
    callback = None
    with google.faults.having(Fault.CHANGED_SUB):
        callback = await browser.come_back()
        before = await everything_but_spent_flows(runtime)
        assert error_of(await browser.open(callback)) == "LINK_REQUIRED"
    assert await everything_but_spent_flows(runtime) == before


@pytest.mark.settings(GOOGLE_HOSTED_DOMAIN="corp.example")
@pytest.mark.parametrize(("domain", "comes_in"), [("corp.example", True), ("other.example", False), (None, False)])
async def test_only_members_of_the_organisation_come_in(
    browser: Browser, runtime: Runtime, domain: str | None, comes_in: bool
) -> None:
    """S70, ID-10: `hd` is read in the ID token; what the browser carries can be changed by its user."""
    question = (await browser.begin()).replace("hd=corp.example", "")
    person = GooglePerson(email="ada@corp.example", name="Ada", hosted_domain=domain)
    response = await browser.open(await browser.visitor.sign_in(question, person))
    if comes_in:
        assert parameters_of(landing_of(response)).keys() == {"code"}
    else:
        assert error_of(response) == "ID_TOKEN_INVALID"
        assert await count(runtime, User) == 0


@pytest.mark.parametrize("transport", ["bearer", "cookie"])
async def test_a_disabled_account_is_not_let_in_by_another_door(
    browser: Browser, runtime: Runtime, transport: str
) -> None:
    """3.3-16: and nothing is written."""
    landing = await browser.land()
    await write(runtime, update(User).values(is_active=False))
    problem_of(await browser.exchange(landing), 401, "INVALID_CREDENTIALS")
    assert error_of(await browser.open(await browser.come_back(transport=transport))) == "INVALID_CREDENTIALS"
    assert await count(runtime, Session) == 0


async def test_a_disabled_account_that_nobody_proved_stays_as_it_is(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """3.3-16, ID-07."""
    barred = await accounts.register(ADA.email)
    await change_user(runtime, barred, is_active=False)
    assert error_of(await browser.open(await browser.come_back())) == "INVALID_CREDENTIALS"
    user = await find_user(runtime, barred)
    assert user.password_hash is not None
    assert user.email_verified_at is None
    assert await count(runtime, Identity) == 0


async def test_two_first_sign_ins_at_once_make_one_account(
    browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """3.4-13: the indexes decide; nobody gets an error, and nobody an account too many."""
    callbacks = [(each, await each.come_back(transport="cookie")) for each in (browser, second_browser)]
    calls = iter(callbacks)

    async def open_next() -> httpx2.Response:
        each, callback = next(calls)
        return await each.open(callback)

    for response in await at_once(2, open_next):
        assert landing_of(response) == "http://localhost:3000/"
    assert await count(runtime, User) == await count(runtime, Identity) == 1
    assert await count(runtime, Session) == 2


@pytest.mark.only("postgresql")
async def test_a_decision_that_was_overtaken_is_made_anew(
    accounts: Accounts, browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """3.4-13: the identity is added to another account between look-up and insert. No account is left over."""
    owner = await accounts.register()
    callback = await browser.come_back(transport="cookie")
    now = datetime.now(UTC)
    row = {"id": new_id(), "user_id": UUID(owner.id), "issuer": google.issuer, "subject": ADA.subject}
    added = insert(Identity).values(**row, email=None, email_verified=False, created_at=now, last_used_at=now)
    async with uncommitted(runtime, added):
        opened = await waiting_for_a_lock(runtime, browser.open(callback))
    assert landing_of(await opened) == "http://localhost:3000/"
    assert await count(runtime, User) == 1
    assert len(await living_sessions(runtime, owner)) == 1


@pytest.mark.only("postgresql")
async def test_an_identity_that_comes_while_its_account_is_looked_up_is_seen(
    accounts: Accounts, browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """3.4-13: two first sign-ins at once; the second sees the account of the first before it sees the identity."""
    owner = await accounts.register(ADA.email)
    now = datetime.now(UTC)
    await change_user(runtime, owner, email_verified_at=now)
    callback = await browser.come_back(transport="cookie")
    row = {"id": new_id(), "user_id": UUID(owner.id), "issuer": google.issuer, "subject": ADA.subject}
    added = insert(Identity).values(**row, email=ADA.email, email_verified=True, created_at=now, last_used_at=now)
    async with uncommitted(runtime, added):
        opened = await waiting_for_a_lock(runtime, browser.open(callback))
    assert landing_of(await opened) == "http://localhost:3000/"
    assert len(await living_sessions(runtime, owner)) == 1


@pytest.mark.only("postgresql")
async def test_the_password_that_is_just_being_checked_comes_too_late(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-07: the attacker's sign-in began before the owner came, and ends after."""
    attacker = await accounts.register(ADA.email)
    callback = await browser.come_back(transport="cookie")
    form = {"username": attacker.email, "password": attacker.password}
    async with hashing_held(runtime):
        login = await queued_for_hashing(runtime, attacker.http.post(f"{API}/auth/login", data=form))
        assert landing_of(await browser.open(callback)) == "http://localhost:3000/"
    problem_of(await login, 401, "INVALID_CREDENTIALS")
    assert len(await living_sessions(runtime, attacker)) == 1
