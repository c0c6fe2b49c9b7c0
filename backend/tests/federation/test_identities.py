"""People add identities to their accounts and remove them, and nobody else does."""

from datetime import timedelta
from uuid import UUID

import httpx2
from sqlalchemy import select, update

from app.models import Identity, Session
from app.offline.testing import ADA
from app.runtime import Runtime
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.contention import at_once
from tests.federation.browsers import Browser, error_of, landing_of, parameters_of
from tests.federation.linking import GRACE, as_person, identities_of, link, user_id_of
from tests.rows import find_user, write
from tests.tokens import session_id_of

# Link and unlink.


async def test_an_identity_with_another_address_can_be_added(accounts: Accounts, browser: Browser) -> None:
    """ID-06: by a user who has proved who they are just now."""
    owner = await accounts.signed_in()
    assert await identities_of(owner) == []
    assert landing_of(await link(browser, owner)) == "http://localhost:3000/settings?linked=google"
    (item,) = await identities_of(owner)
    assert (item["provider"], item["email"], item["email_verified"]) == ("google", ADA.email, True)
    assert "subject" not in item
    assert landing_of(await link(browser, owner)) == "http://localhost:3000/settings?linked=google"
    assert len(await identities_of(owner)) == 1
    assert user_id_of(await browser.sign_in()) == owner.id


async def test_who_adds_an_identity_with_the_account_s_own_address_has_proved_it(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-06: from then on it gives way to nobody who comes from another provider with that address."""
    owner = await accounts.signed_in(ADA.email)
    assert parameters_of(landing_of(await link(browser, owner))) == {"linked": "google"}
    assert (await find_user(runtime, owner)).email_verified_at is not None
    assert error_of(await browser.open(await browser.come_back(provider="acme"))) == "LINK_REQUIRED"
    assert (await owner.get("/auth/me")).status_code == 200


async def test_with_the_first_proof_goes_what_somebody_else_may_have_put_there(
    accounts: Accounts, browser: Browser, second_browser: Browser
) -> None:
    """ID-07, 3.3-03: the other sessions, the other identities and their codes; later ones stay."""
    owner = await accounts.signed_in(ADA.email)
    elsewhere = await owner.sign_in()
    await link(second_browser, owner, GRACE)
    landing = await second_browser.land(GRACE)
    assert parameters_of(landing_of(await link(browser, owner))) == {"linked": "google"}
    assert [item["email"] for item in await identities_of(owner)] == [ADA.email]
    assert problem_of(await elsewhere.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "address_proved"
    problem_of(await second_browser.exchange(landing), 400, "FLOW_INVALID")
    later = await owner.sign_in()
    await link(browser, owner, GRACE)
    await link(browser, owner)
    assert [item["email"] for item in await identities_of(later)] == [ADA.email, GRACE.email]


async def test_a_provider_without_authority_for_the_address_proves_nothing(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-07, 3.3-02: the account still gives way to whom an authority names, and nothing of it ends before."""
    owner = await accounts.signed_in(ADA.email)
    elsewhere = await owner.sign_in()
    assert parameters_of(landing_of(await link(browser, owner, provider="acme"))) == {"linked": "acme"}
    assert (await find_user(runtime, owner)).email_verified_at is None
    assert (await elsewhere.get("/auth/me")).status_code == 200
    await browser.sign_in()
    assert (await find_user(runtime, owner)).email_verified_at is not None
    problem_of(await owner.get("/auth/me"), 401, "SESSION_ENDED")


async def test_another_address_at_the_provider_proves_nothing_of_the_account_s_own(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-07: or an attacker could make a registered address look proved with an identity of theirs."""
    attacker = await accounts.signed_in(ADA.email)
    await link(browser, attacker, GRACE)
    assert (await find_user(runtime, attacker)).email_verified_at is None


async def test_an_identity_of_somebody_else_cannot_be_added(accounts: Accounts, browser: Browser) -> None:
    """3.3-14: it never moves."""
    await browser.sign_in()
    other = await accounts.signed_in()
    assert error_of(await link(browser, other)) == "IDENTITY_TAKEN"
    assert await identities_of(other) == []


async def test_linking_asks_for_a_fresh_proof(accounts: Accounts, browser: Browser, runtime: Runtime) -> None:
    """A copied access token adds no way in: its `auth_time` is the sign-in's."""
    owner = await accounts.signed_in()
    await link(browser, owner)
    (item,) = await identities_of(owner)
    stale = await _grown_old(owner, runtime)
    response = await browser.post("/auth/google/link", {}, **stale.headers)
    problem_of(response, 401, "INSUFFICIENT_USER_AUTHENTICATION")
    response = await stale.call("DELETE", f"/auth/me/identities/{item['id']}")
    problem_of(response, 401, "INSUFFICIENT_USER_AUTHENTICATION")


async def _grown_old(owner: Person, runtime: Runtime) -> Person:
    """Return the same person with a token that says that the sign-in was an hour ago."""
    session = (await runtime.database.read.entities(select(Session).where(Session.id == session_id_of(owner))))[0]
    earlier = session.authenticated_at - timedelta(hours=1)
    await write(runtime, update(Session).where(Session.id == session.id).values(authenticated_at=earlier))
    assert (await owner.refresh()).status_code == 200
    return owner


async def test_who_signs_out_leaves_no_link_behind(accounts: Accounts, browser: Browser) -> None:
    """Or the next person at the same browser could finish it, and come in by it ever after."""
    owner = await accounts.signed_in()
    elsewhere = await owner.sign_in()
    begun = await browser.post("/auth/google/link", {}, **owner.headers)
    callback = await browser.visitor.sign_in(begun.json()["authorization_url"], ADA)
    await owner.post("/auth/logout")
    assert error_of(await browser.open(callback)) == "FLOW_INVALID"
    assert await identities_of(elsewhere) == []


async def test_a_link_finished_in_another_browser_links_nothing(
    accounts: Accounts, browser: Browser, second_browser: Browser
) -> None:
    """S63, 3.3-14: forced linking. The attacker's answer is opened by the victim, and the other way round."""
    owner = await accounts.signed_in()
    begun = await browser.post("/auth/google/link", {}, **owner.headers)
    callback = await second_browser.visitor.sign_in(begun.json()["authorization_url"], GRACE)
    problem_of(await second_browser.open(callback), 400, "FLOW_INVALID")
    assert await identities_of(owner) == []


async def test_another_site_cannot_begin_a_link(accounts: Accounts, browser: Browser) -> None:
    """CK-03: nor a sign-in that ends in a cookie of ours."""
    owner = await accounts.signed_in()
    browser.page = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    problem_of(await browser.post("/auth/google/link", {}, **owner.headers), 403, "CROSS_SITE_REQUEST")
    for path in ("start", "nonce"):
        problem_of(await browser.post(f"/auth/google/{path}"), 403, "CROSS_SITE_REQUEST")
    browser.page = {}
    problem_of(await browser.post("/auth/google/start"), 403, "CROSS_SITE_REQUEST")
    assert browser.jar == {}


async def test_removing_an_identity_ends_what_may_have_come_in_by_it(accounts: Accounts, browser: Browser) -> None:
    """And from then on it signs in to an account of its own, if at all."""
    owner = await accounts.signed_in()
    await link(browser, owner)
    by_google = as_person(owner.http, await browser.sign_in())
    landing = await browser.land()
    (item,) = await identities_of(owner)
    stranger = await accounts.signed_in()
    problem_of(await stranger.call("DELETE", f"/auth/me/identities/{item['id']}"), 404, "NOT_FOUND")
    assert (await owner.call("DELETE", f"/auth/me/identities/{item['id']}")).status_code == 204
    assert (await owner.get("/auth/me")).status_code == 200
    assert problem_of(await by_google.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "way_in_removed"
    problem_of(await browser.exchange(landing), 400, "FLOW_INVALID")
    problem_of(await owner.call("DELETE", f"/auth/me/identities/{item['id']}"), 404, "NOT_FOUND")
    assert user_id_of(await browser.sign_in()) != owner.id


async def test_the_last_way_in_stays(browser: Browser, client: httpx2.AsyncClient, runtime: Runtime) -> None:
    """An identity of a provider that is not configured any more is no way in."""
    ada = as_person(client, await browser.sign_in(fresh="true"))
    (item,) = await identities_of(ada)
    await link(browser, ada, provider="acme")
    await write(
        runtime,
        update(Identity).where(Identity.id != UUID(item["id"])).values(issuer="https://gone.example"),
    )
    problem = problem_of(await ada.call("DELETE", f"/auth/me/identities/{item['id']}"), 409, "LAST_WAY_IN")
    assert problem["next_step"] == "set_password_or_link"
    gone = next(each for each in await identities_of(ada) if each["provider"] is None)
    assert (await ada.call("DELETE", f"/auth/me/identities/{gone['id']}")).status_code == 204
    problem_of(await ada.call("DELETE", f"/auth/me/identities/{item['id']}"), 409, "LAST_WAY_IN")


async def test_of_two_removals_at_once_one_is_refused(browser: Browser, client: httpx2.AsyncClient) -> None:
    """3.4-01: together they would lock the owner out."""
    ada = as_person(client, await browser.sign_in(fresh="true"))
    await link(browser, ada, provider="acme")
    items = await identities_of(ada)
    assert len(items) == 2
    paths = iter([f"/auth/me/identities/{item['id']}" for item in items])

    async def remove() -> int:
        return (await ada.call("DELETE", next(paths))).status_code

    assert sorted(await at_once(2, remove)) == [204, 409]
    assert len(await identities_of(ada)) == 1


async def test_everybody_sees_their_own_identities_only(
    accounts: Accounts, browser: Browser, client: httpx2.AsyncClient
) -> None:
    """3.5-09."""
    owner, other = await accounts.signed_in(), await accounts.signed_in()
    await link(browser, owner)
    assert len((await owner.get("/auth/me/identities")).json()["items"]) == 1
    assert (await other.get("/auth/me/identities")).json() == {"items": []}
    problem_of(await client.get(f"{API}/auth/me/identities"), 401, "NOT_AUTHENTICATED")
