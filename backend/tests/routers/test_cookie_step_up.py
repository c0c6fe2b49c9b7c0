"""A fresh proof within a session in a cookie: another cookie, and what becomes of the one before."""

from datetime import timedelta

import pytest

from app.models import Session
from app.runtime import Runtime
from tests import storefront
from tests.accounts import PASSWORD, Accounts
from tests.answers import problem_of
from tests.contention import at_once
from tests.cookies import Browser, cookie_content, id_of, set_cookies, signed_in
from tests.rows import find_session, let_time_pass

STORE = pytest.mark.settings(EXTENSIONS=[storefront.NAME])
LONG_AGO = timedelta(hours=1)
PAST_THE_GRACE = timedelta(seconds=31)
PROOF = {"password": PASSWORD}


async def signed_in_long_ago(accounts: Accounts, runtime: Runtime) -> Browser:
    """Return a browser whose session is an hour old, as is the proof it began with."""
    browser = await signed_in(await accounts.register())
    times = (Session.created_at, Session.authenticated_at, Session.refreshed_at)
    await let_time_pass(runtime, id_of(runtime, browser), *times, by=LONG_AGO)
    return browser


@STORE
async def test_a_fresh_proof_opens_what_an_old_one_does_not(accounts: Accounts, runtime: Runtime) -> None:
    """V7.5.3, RFC 9470: the refusal says what would do, and doing it does."""
    browser = await signed_in_long_ago(accounts, runtime)
    refused = problem_of(await browser.post(storefront.PAYOUTS), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    assert (refused["max_age"], refused["methods"]) == (300, ["pwd"])
    assert (await browser.post("/auth/reauthenticate", PROOF)).status_code == 200
    assert (await browser.post(storefront.PAYOUTS)).status_code == 200
    await let_time_pass(runtime, id_of(runtime, browser), Session.authenticated_at, by=timedelta(minutes=6))
    problem_of(await browser.post(storefront.PAYOUTS), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    assert (await browser.get("/auth/me")).status_code == 200


async def test_a_fresh_proof_gives_another_cookie_of_the_same_session(accounts: Accounts, runtime: Runtime) -> None:
    """V7.2.4, CK-01: with the same attributes, for what is left of the session's life, and no token in the answer."""
    browser = await signed_in_long_ago(accounts, runtime)
    await let_time_pass(runtime, id_of(runtime, browser), Session.expires_at, by=timedelta(days=20))
    before = cookie_content(runtime.settings, browser.cookie)
    response = await browser.post("/auth/reauthenticate", PROOF)
    (cookie,) = set_cookies(response)
    after = cookie_content(runtime.settings, cookie.value)
    assert after.session_id == before.session_id
    assert after.secret != before.secret
    assert {name: cookie.attributes[name] for name in ("Path", "Secure", "HttpOnly", "SameSite")} == {
        "Path": "/",
        "Secure": None,
        "HttpOnly": None,
        "SameSite": "Lax",
    }
    assert 10 * 86400 - 60 < int(cookie.attributes["Max-Age"] or 0) <= 10 * 86400
    assert "Domain" not in cookie.attributes
    assert set(response.json()) == {"transport", "expires_at"}


@STORE
async def test_the_cookie_before_works_for_the_grace_but_proves_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """V7.2.4: requests that were under way are answered; a thief's copy has gained nothing, and dies."""
    browser = await signed_in_long_ago(accounts, runtime)
    before = browser.copy()
    await browser.post("/auth/reauthenticate", PROOF)
    assert (await before.get("/auth/me")).status_code == 200
    assert (await before.post("/auth/logout/others")).status_code == 204
    problem_of(await before.post(storefront.PAYOUTS), 401, "INSUFFICIENT_USER_AUTHENTICATION")
    await let_time_pass(runtime, id_of(runtime, browser), Session.refreshed_at, by=PAST_THE_GRACE)
    for path in (storefront.PAYOUTS, "/auth/logout/others", "/auth/reauthenticate"):
        problem_of(await before.copy().post(path, PROOF), 401, "TOKEN_INVALID")
    problem_of(await before.get("/auth/me"), 401, "TOKEN_INVALID")
    assert (await browser.post(storefront.PAYOUTS)).status_code == 200


@pytest.mark.settings(REFRESH_GRACE_SECONDS=0)
async def test_without_a_grace_the_cookie_before_is_dead_at_once(accounts: Accounts) -> None:
    browser = await signed_in(await accounts.register())
    before = browser.copy()
    await browser.post("/auth/reauthenticate", PROOF)
    problem_of(await before.get("/auth/me"), 401, "TOKEN_INVALID")
    assert (await browser.get("/auth/me")).status_code == 200


@STORE
async def test_the_cookie_before_the_one_before_is_dead(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-03: the grace is the direct parent's alone."""
    browser = await signed_in_long_ago(accounts, runtime)
    grandparent = browser.copy()
    await browser.post("/auth/reauthenticate", PROOF)
    parent = browser.copy()
    await browser.post("/auth/reauthenticate", PROOF)
    problem_of(await grandparent.get("/auth/me"), 401, "TOKEN_INVALID")
    assert (await parent.get("/auth/me")).status_code == 200
    problem_of(await parent.post(storefront.PAYOUTS), 401, "INSUFFICIENT_USER_AUTHENTICATION")


async def test_a_wrong_password_changes_no_cookie(accounts: Accounts, runtime: Runtime) -> None:
    browser = await signed_in_long_ago(accounts, runtime)
    before = await find_session(runtime, id_of(runtime, browser))
    response = await browser.post("/auth/reauthenticate", {"password": "not the password at all"})
    problem_of(response, 403, "WRONG_PASSWORD")
    assert set_cookies(response) == []
    after = await find_session(runtime, id_of(runtime, browser))
    assert (after.secret_digest, after.authenticated_at) == (before.secret_digest, before.authenticated_at)


@STORE
async def test_a_proof_in_one_session_proves_nothing_in_another(accounts: Accounts, runtime: Runtime) -> None:
    """V7.5.3: nor between a cookie and tokens of the same user."""
    browser = await signed_in_long_ago(accounts, runtime)
    ada = (await browser.get("/auth/me")).json()["email"]
    tokens = await browser.call("POST", "/auth/login", data={"username": ada, "password": PASSWORD})
    bearer = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    proved = await browser.http.post("/api/v1/auth/reauthenticate", json=PROOF, headers=bearer)
    assert proved.status_code == 200
    assert set_cookies(proved) == []
    problem_of(await browser.post(storefront.PAYOUTS), 401, "INSUFFICIENT_USER_AUTHENTICATION")


async def test_an_answer_that_was_lost_is_made_up_for(accounts: Accounts, runtime: Runtime) -> None:
    """V7.2.4: the browser still has the cookie before; asking again within the grace heals."""
    browser = await signed_in_long_ago(accounts, runtime)
    await browser.copy().post("/auth/reauthenticate", PROOF)
    assert (await browser.post("/auth/reauthenticate", PROOF)).status_code == 200
    await let_time_pass(runtime, id_of(runtime, browser), Session.refreshed_at, by=PAST_THE_GRACE)
    assert (await browser.get("/auth/me")).status_code == 200


@STORE
async def test_two_proofs_at_once_sign_nobody_out(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02: a double click, or two tabs: a browser keeps the answer that arrives last, whichever was made last."""
    for kept in (0, 1):
        browser = await signed_in_long_ago(accounts, runtime)
        under_way, tabs = browser.copy(), [browser.copy(), browser.copy()]
        for tab in tabs:
            assert (await tab.post("/auth/reauthenticate", PROOF)).status_code == 200
        assert (await under_way.get("/auth/me")).status_code == 200
        problem_of(await under_way.post(storefront.PAYOUTS), 401, "INSUFFICIENT_USER_AUTHENTICATION")
        await let_time_pass(runtime, id_of(runtime, browser), Session.refreshed_at, by=PAST_THE_GRACE)
        assert (await tabs[kept].post(storefront.PAYOUTS)).status_code == 200, f"tab {kept}"


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_fifty_proofs_at_once_sign_nobody_out(accounts: Accounts, runtime: Runtime) -> None:
    """3.4-02: every cookie that was handed out with a 200 is one that works."""
    browser = await signed_in_long_ago(accounts, runtime)

    async def prove() -> Browser:
        tab = browser.copy()
        assert (await tab.post("/auth/reauthenticate", PROOF)).status_code == 200
        return tab

    tabs = {tab.cookie: tab for tab in await at_once(50, prove)}
    dead = [tab for tab in tabs.values() if (await tab.get("/auth/me")).status_code != 200]
    assert not dead, f"{len(dead)} of {len(tabs)} cookies were dead when they were handed out"


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_leaving_wins_over_a_fresh_proof(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-02: no proof that was under way brings an ended session back."""
    browser = await signed_in_long_ago(accounts, runtime)
    leaving, proving = browser.copy(), [browser.copy() for _ in range(4)]
    waiting = iter([*proving[:2], leaving, *proving[2:]])

    async def go() -> int:
        one = next(waiting)
        path, body = ("/auth/logout", None) if one is leaving else ("/auth/reauthenticate", PROOF)
        return (await one.post(path, body)).status_code

    statuses = await at_once(5, go)
    assert statuses[2] in {204, 401}
    assert set(statuses) <= {200, 204, 401}
    await browser.copy().post("/auth/logout")
    for tab in (browser, *proving):
        assert (await tab.get("/auth/me")).status_code == 401
    assert (await find_session(runtime, id_of(runtime, browser))).end_cause == "logout"
