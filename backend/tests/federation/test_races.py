"""An account changes hands while somebody else's request is under way: in whichever order, its owner keeps it.

On PostgreSQL, where statements really meet: the account's row is held until both requests wait for it, and they go on in
the order in which they came. SQLite has one writer at a time.
"""

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, update

from app.models import Identity, ProviderToken, User
from app.offline.testing import ADA
from app.offline.testing import Person as GooglePerson
from app.runtime import Runtime
from tests.accounts import API, CLIENT, Accounts, Person
from tests.answers import problem_of
from tests.contention import uncommitted, waiting_for_a_lock
from tests.federation.browsers import Browser, bearer, error_of, landing_of, parameters_of
from tests.federation.consenting import consent
from tests.federation.linking import GRACE, as_person, identities_of, link
from tests.rows import find_user, living_sessions

pytestmark = pytest.mark.only("postgresql")

Request = Coroutine[Any, Any, httpx2.Response]
ATTACKERS_PASSWORD = "nine pale lanterns hum"
EITHER_ORDER = pytest.mark.parametrize("owner_first", [True, False])
HOME = "http://localhost:3000/"


async def in_turn(runtime: Runtime, person: Person, *requests: Request) -> list[httpx2.Response]:
    """Send requests, each as soon as the one before waits for the account; then let them go on in this order."""
    async with uncommitted(runtime, select(User.id).where(User.id == UUID(person.id)).with_for_update()):
        tasks = [
            await waiting_for_a_lock(runtime, request, waiters=number) for number, request in enumerate(requests, 1)
        ]
    return [await task for task in tasks]


async def coming_link(browser: Browser, person: Person, comer: GooglePerson, provider: str = "google") -> str:
    """Begin to add an identity, and return the callback's address with the answer; it is not opened yet."""
    begun = await browser.post(f"/auth/{provider}/link", {}, **person.headers)
    assert begun.status_code == 200, begun.text
    return await browser.visitor.sign_in(begun.json()["authorization_url"], comer)


async def is_ada_s_alone(runtime: Runtime, account: Person) -> None:
    """See that an account has no way in but Ada's identity at Google, and no session but the one that she has just begun."""
    user = await find_user(runtime, account)
    assert (user.password_hash, user.full_name) == (None, ADA.name)
    assert user.email_verified_at is not None
    (identity,) = await runtime.database.read.entities(select(Identity))
    assert (identity.user_id, identity.subject) == (user.id, ADA.subject)
    assert len(await living_sessions(runtime, account)) == 1


# One-time codes.


@EITHER_ORDER
async def test_a_code_is_traded_while_its_identity_is_removed(
    accounts: Accounts, browser: Browser, runtime: Runtime, owner_first: bool
) -> None:
    """3.4-01, 3.4-13: both lock the account before the code, or each would wait for the other."""
    owner = await accounts.signed_in()
    await link(browser, owner)
    (item,) = await identities_of(owner)
    exchange = browser.exchange(await browser.land())
    removal = owner.call("DELETE", f"/auth/me/identities/{item['id']}")
    if owner_first:
        removed, exchanged = await in_turn(runtime, owner, removal, exchange)
        problem_of(exchanged, 400, "FLOW_INVALID")
    else:
        exchanged, removed = await in_turn(runtime, owner, exchange, removal)
        late = await owner.http.get(f"{API}/auth/me", headers=bearer(exchanged.json()))
        assert problem_of(late, 401, "SESSION_ENDED")["cause"] == "way_in_removed"
    assert removed.status_code == 204, removed.text
    assert len(await living_sessions(runtime, owner)) == 1


@EITHER_ORDER
async def test_an_attacker_s_code_is_traded_while_the_owner_comes(
    accounts: Accounts, browser: Browser, second_browser: Browser, runtime: Runtime, owner_first: bool
) -> None:
    """ID-07, 3.3-05, 3.4-13: the owner comes in at once, and nobody else has a session afterwards."""
    attacker = await accounts.signed_in(ADA.email)
    await link(second_browser, attacker, GRACE)
    exchange = second_browser.exchange(await second_browser.land(GRACE))
    arrival = browser.open(await browser.come_back(transport="cookie"))
    if owner_first:
        arrived, exchanged = await in_turn(runtime, attacker, arrival, exchange)
        problem_of(exchanged, 400, "FLOW_INVALID")
    else:
        exchanged, arrived = await in_turn(runtime, attacker, exchange, arrival)
        assert exchanged.status_code == 200, exchanged.text
    assert landing_of(arrived) == HOME
    await is_ada_s_alone(runtime, attacker)


# Links that come back.


@EITHER_ORDER
async def test_an_attacker_s_link_comes_back_while_the_owner_comes(
    accounts: Accounts, browser: Browser, second_browser: Browser, runtime: Runtime, owner_first: bool
) -> None:
    """ID-07, 3.3-03, 3.3-05: or the attacker would sign in to the owner's account ever after."""
    attacker = await accounts.signed_in(ADA.email)
    linked = second_browser.open(await coming_link(second_browser, attacker, GRACE, "acme"))
    arrival = browser.open(await browser.come_back(transport="cookie"))
    if owner_first:
        arrived, answer = await in_turn(runtime, attacker, arrival, linked)
        assert error_of(answer) == "FLOW_INVALID"
    else:
        answer, arrived = await in_turn(runtime, attacker, linked, arrival)
        assert parameters_of(landing_of(answer)) == {"linked": "acme"}
    assert landing_of(arrived) == HOME
    await is_ada_s_alone(runtime, attacker)


async def test_a_link_comes_back_while_its_user_signs_out(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """3.3-14: who has been told that they are signed out leaves no way in to whoever sits there next."""
    owner = await accounts.signed_in()
    callback = await coming_link(browser, owner, ADA)
    async with uncommitted(runtime, select(User.id).with_for_update()):
        opened = await waiting_for_a_lock(runtime, browser.open(callback))
        assert (await owner.post("/auth/logout")).status_code == 204
    assert error_of(await opened) == "FLOW_INVALID"
    assert await identities_of(await owner.sign_in()) == []


async def test_a_link_waits_for_nobody_whose_address_it_brings(
    accounts: Accounts, browser: Browser, second_browser: Browser, runtime: Runtime
) -> None:
    """3.4-13: of two users who add each other's address, each would wait for the other."""
    ada, grace = await accounts.signed_in(ADA.email), await accounts.signed_in(GRACE.email)
    callback = await coming_link(browser, ada, GRACE)
    other = await coming_link(second_browser, grace, ADA)
    async with uncommitted(runtime, select(User.id).where(User.id == UUID(ada.id)).with_for_update()):
        opened = await waiting_for_a_lock(runtime, browser.open(callback))
        assert parameters_of(landing_of(await second_browser.open(other))) == {"linked": "google"}
    assert parameters_of(landing_of(await opened)) == {"linked": "google"}


# What a session does whose account is handed over.

ACTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "a first password": ("POST", "/auth/me/password", {"new_password": ATTACKERS_PASSWORD}),
    "the end of the account": ("POST", "/auth/me/delete", {}),
    "a name": ("PATCH", "/auth/me", {"full_name": "Trojan"}),
}


@pytest.mark.parametrize("act", ACTS)
async def test_an_attacker_changes_nothing_of_an_account_whose_owner_comes(
    browser: Browser, second_browser: Browser, runtime: Runtime, act: str
) -> None:
    """ID-07, 3.3-03: an account without a password, which a provider without authority began, is the owner's by then."""
    trojan = GooglePerson(email=ADA.email, name="Trojan")
    attacker = as_person(browser.http, await second_browser.sign_in(trojan, "acme", fresh="true"))
    callback = await browser.come_back(transport="cookie")
    method, path, body = ACTS[act]
    changing = attacker.call(method, path, json=body)
    arrived, changed = await in_turn(runtime, attacker, browser.open(callback), changing)
    assert landing_of(arrived) == HOME
    assert problem_of(changed, 401, "SESSION_ENDED")["cause"] == "address_proved"
    await is_ada_s_alone(runtime, attacker)


async def test_an_account_that_is_proved_just_then_does_not_give_way(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """ID-06: what was read of it stands until the commit."""
    owner = await accounts.signed_in(ADA.email)
    callback = await browser.come_back()
    proved = update(User).where(User.id == UUID(owner.id)).values(email_verified_at=datetime.now(UTC))
    async with uncommitted(runtime, proved):
        opened = await waiting_for_a_lock(runtime, browser.open(callback))
    assert error_of(await opened) == "LINK_REQUIRED"
    assert (await owner.get("/auth/me")).status_code == 200


# Removals.


async def test_a_session_that_is_ended_removes_no_identity(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """3.4-13: an intruder who is thrown out just then does not throw out the owner's way in."""
    owner = await accounts.signed_in()
    await link(browser, owner)
    (item,) = await identities_of(owner)
    intruder = await owner.sign_in()
    removal = intruder.call("DELETE", f"/auth/me/identities/{item['id']}")
    async with uncommitted(runtime, select(User.id).with_for_update()):
        removed = await waiting_for_a_lock(runtime, removal)
        assert (await owner.post("/auth/logout/others")).status_code == 204
    problem_of(await removed, 401, "SESSION_ENDED")
    assert await identities_of(owner) == [item]


@pytest.mark.settings(GOOGLE_KEEP_TOKENS=True)
async def test_a_removal_waits_for_the_identity_before_it_holds_its_tokens(
    accounts: Accounts, browser: Browser, runtime: Runtime
) -> None:
    """3.4-13: whoever keeps tokens has written the identity before. In two orders each would wait for the other."""
    owner = await accounts.signed_in()
    await consent(browser, owner)
    (item,) = await identities_of(owner)
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(select(Identity.id).with_for_update())
        removal = owner.call("DELETE", f"/auth/me/identities/{item['id']}")
        removed = await waiting_for_a_lock(runtime, removal)
        await work.db.execute(select(ProviderToken.identity_id).with_for_update(nowait=True))
    assert (await removed).status_code == 204
