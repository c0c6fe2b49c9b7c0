"""The audit log over a whole tour of the product: what it tells, and that no row holds a secret."""

from uuid import UUID

import httpx2
import pytest

from app.models import AuditKind, Outcome
from app.offline.faults import Fault, Place
from app.offline.testing import RunningProvider
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.audit import all_events, event_of, events_of, own_events
from tests.canaries import NEW_PASSWORD, PASSWORD, SETUP_CODE, WRONG, Secrets, cells
from tests.cookies import signed_in as signed_in_with_cookie
from tests.federation.browsers import Browser, error_of
from tests.federation.linking import GRACE, as_person, identities_of, link, user_id_of, verified
from tests.rows import everything
from tests.tokens import session_id_of


@pytest.fixture
def secrets(client: httpx2.AsyncClient) -> Secrets:
    return Secrets(client)


async def with_password(accounts: Accounts) -> None:
    """Sign in, refresh, replay, guess, change, leave."""
    ada = await accounts.register("grace@example.com", password=PASSWORD)
    await ada.http.post(f"{API}/auth/register", json={"email": ada.email, "password": NEW_PASSWORD})
    for username in (ada.email, PASSWORD):
        await ada.http.post(f"{API}/auth/login", data={"username": username, "password": WRONG})
    ada = await ada.sign_in()
    first = ada.tokens["refresh_token"]
    headers = {"User-Agent": f"curl {first} {ada.tokens['access_token']}"}
    await ada.http.post(f"{API}/auth/login", data={"username": ada.email, "password": PASSWORD}, headers=headers)
    browser = await signed_in_with_cookie(ada)
    await browser.post("/auth/reauthenticate", {"password": PASSWORD})
    await ada.post("/auth/reauthenticate", json={"password": WRONG})
    await ada.get("/users/")
    await ada.patch("/auth/me", json={"full_name": "Grace"})
    await ada.refresh()
    await ada.refresh()
    await ada.refresh(first)
    await ada.refresh(first)
    ada = await ada.sign_in()
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await ada.post("/auth/me/password", json=change)).status_code == 204
    form = {"code": SETUP_CODE, "email": "eve@example.com", "password": PASSWORD}
    await ada.http.post("/setup", data=form)
    assert (await ada.post("/auth/me/delete", json={"password": NEW_PASSWORD})).status_code == 204


async def with_provider(browser: Browser, accounts: Accounts, runtime: Runtime, google: RunningProvider) -> None:
    """Sign in, replay, be refused, link, unlink."""
    landing = await browser.land(fresh="true")
    tokens = (await browser.exchange(landing)).json()
    await browser.exchange(landing)
    callback = await browser.come_back()
    with google.faults.having(Fault.UNVERIFIED, at=(Place.TOKEN, Place.USERINFO)):
        await browser.open(callback)
    await browser.open(callback)
    owner = as_person(browser.http, tokens)
    (identity,) = await identities_of(owner)
    assert (await owner.call("DELETE", f"/auth/me/identities/{identity['id']}")).status_code == 409
    grace = await verified(accounts, runtime, "hopper@example.com")
    await link(browser, grace)  # Somebody else's already.
    await link(browser, grace, GRACE, provider="acme")
    (linked,) = await identities_of(grace)
    assert (await grace.call("DELETE", f"/auth/me/identities/{linked['id']}")).status_code == 204


@pytest.mark.settings(GOOGLE_KEEP_TOKENS=True)
async def test_no_row_holds_a_secret(
    browser: Browser, accounts: Accounts, runtime: Runtime, google: RunningProvider, secrets: Secrets
) -> None:
    """S41, V16.2.5, V14.1.2: passwords, tokens, codes and cookies of a whole tour, in whichever field they were sent."""
    await with_password(accounts)
    await with_provider(browser, accounts, runtime, google)
    root = await accounts.administrator()
    await root.patch(f"/users/{root.id}", json={"role": "user"})
    await root.patch(f"/users/{(await accounts.signed_in()).id}", json={"is_active": False})
    exported = await root.get("/audit/events.jsonl")
    assert len(secrets.seen) > 30
    assert secrets.among(await all_events(runtime)) == set()
    assert not any(secret in exported.text for secret in secrets.seen)
    assert {event.kind for event in await all_events(runtime)} >= set(TOUR)


TOUR = (
    "session.created",
    "session.ended",
    "session.reauthenticated",
    "session.refresh_refused",
    "sign_in.failed",
    "user.registered",
    "user.registration_refused",
    "user.profile_changed",
    "user.password_changed",
    "user.password_refused",
    "user.deleted",
    "user.changed",
    "user.change_refused",
    "setup.refused",
    "permission.denied",
    "federation.signed_in",
    "federation.linked",
    "federation.unlinked",
    "federation.refused",
    "provider_tokens.kept",
    "signing_key.added",
    "audit.exported",
)
"""What the tour must have come past, or it would prove little."""


async def test_a_refused_link_leaves_a_row_for_who_asked(
    browser: Browser, accounts: Accounts, runtime: Runtime
) -> None:
    """ID-03, V16.3.1: it names the asker, and not the account that has the identity already."""
    taken_by = user_id_of(await browser.sign_in())
    grace = await verified(accounts, runtime, "hopper@example.com")
    assert error_of(await link(browser, grace)) == "IDENTITY_TAKEN"
    event = await event_of(runtime, AuditKind.FEDERATION_REFUSED)
    assert (event.outcome, event.cause) == (Outcome.REFUSED, "IDENTITY_TAKEN")
    assert (event.actor_id, event.session_id) == (UUID(grace.id), session_id_of(grace))
    assert event.detail is not None
    assert event.detail["provider"] == "google"
    assert taken_by not in repr(cells(event))


async def test_a_sign_in_that_was_answered_before_leaves_a_row_and_changes_nothing(
    browser: Browser, runtime: Runtime
) -> None:
    """OA-03, V16.3.1: its refusal undoes the transaction, and the row stays."""
    callback = await browser.come_back()
    thief = browser.copy()
    await browser.open(callback)
    before = await everything(runtime)
    assert error_of(await thief.open(callback)) in {"FLOW_INVALID", "PROVIDER_FAILED"}
    assert await everything(runtime) == before
    assert len(await events_of(runtime, AuditKind.FEDERATION_REFUSED)) == 1


async def test_a_provider_that_fails_is_a_failure_and_no_refusal(
    browser: Browser, runtime: Runtime, google: RunningProvider
) -> None:
    """V16.3.4: nobody was turned away."""
    callback = await browser.come_back()
    with google.faults.having(Fault.TRUNCATED_JSON, at=(Place.TOKEN,)):
        await browser.open(callback)
    event = await event_of(runtime, AuditKind.FEDERATION_REFUSED)
    assert (event.outcome, event.cause, event.detail and event.detail["rule"]) == (
        Outcome.FAILURE,
        "PROVIDER_FAILED",
        "not_json",
    )


async def test_a_sign_in_through_a_provider_and_a_link_are_told_to_their_owner(browser: Browser) -> None:
    """S92: with the provider and the rule that decided."""
    tokens = await browser.sign_in(fresh="true")
    owner: Person = as_person(browser.http, tokens)
    await link(browser, owner, provider="acme")
    told = {event["kind"]: event for event in await own_events(owner)}
    assert told["federation.signed_in"]["detail"]["provider"] == "google"
    assert told["federation.signed_in"]["detail"]["rule"] == "new_account"
    assert told["federation.linked"]["detail"]["provider"] == "acme"
    assert told["federation.linked"]["session_id"] == str(session_id_of(owner))
