"""Signing out of a session in a cookie: what becomes of the cookie itself."""

from datetime import timedelta
from uuid import UUID

import httpx2
import pytest

from app.models import Session
from app.runtime import Runtime
from tests.accounts import PASSWORD, Accounts
from tests.answers import problem_of
from tests.cookies import Browser, SetCookie, id_of, set_cookies, signed_in
from tests.rows import let_time_pass

NEW_PASSWORD = "a brand new passphrase"
EXPIRED = SetCookie(
    "__Host-ostiary", "", {"Max-Age": "0", "Path": "/", "Secure": None, "HttpOnly": None, "SameSite": "Lax"}
)
"""The attributes that the cookie was set with: with others a browser would keep it (CK-06)."""
LEAVING = ("/auth/logout", "/auth/logout/all")


async def leave(browser: Browser, way: str, session_id: UUID) -> httpx2.Response:
    """End the browser's own session in one of the ways that there are."""
    match way:
        case "deletion":
            return await browser.post("/auth/me/delete", {"password": PASSWORD})
        case "end this one":
            return await browser.call("DELETE", f"/sessions/{session_id}")
        case _:
            return await browser.post(way)


@pytest.mark.parametrize("way", [*LEAVING, "end this one", "deletion"])
async def test_leaving_takes_the_cookie_from_the_browser(accounts: Accounts, runtime: Runtime, way: str) -> None:
    """CK-06, S08, S53: with the attributes that it was set with; and a copy of it is dead with the answer."""
    browser = await signed_in(await accounts.register())
    thief = browser.copy()
    response = await leave(browser, way, id_of(runtime, browser))
    assert (response.status_code, response.content) == (204, b"")
    assert set_cookies(response) == [EXPIRED]
    assert browser.cookie == ""
    problem_of(await browser.get("/auth/me"), 401, "NOT_AUTHENTICATED")
    problem_of(await thief.get("/auth/me"), 401, "TOKEN_INVALID" if way == "deletion" else "SESSION_ENDED")


async def test_an_administrator_who_signs_themselves_out_everywhere_keeps_no_cookie(accounts: Accounts) -> None:
    """CK-06: the route is for others, but nobody is kept from naming themselves."""
    admin = await accounts.administrator()
    browser = await signed_in(admin)
    response = await browser.call("DELETE", f"/users/{admin.id}/sessions")
    assert response.status_code == 204
    assert set_cookies(response) == [EXPIRED]


async def test_what_ends_another_session_leaves_the_cookie(accounts: Accounts, runtime: Runtime) -> None:
    """CK-06: nor does a refusal take it, or a change of the password."""
    ada = await accounts.register()
    browser, elsewhere = await signed_in(ada), await signed_in(ada)
    for response in (
        await browser.call("DELETE", f"/sessions/{id_of(runtime, elsewhere)}"),
        await browser.post("/auth/logout/others"),
        await browser.post("/auth/me/delete", {"password": "not the password at all"}),
        await browser.post("/auth/me/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
    ):
        assert response.status_code in {204, 403}
        assert set_cookies(response) == []
    assert (await browser.get("/auth/me")).status_code == 200


async def test_leaving_with_a_token_touches_no_cookie(accounts: Accounts) -> None:
    """CK-06: a program has none, nor when its session has ended already."""
    ada = await accounts.signed_in()
    for path, status in (("/auth/logout", 204), ("/auth/logout", 401), ("/auth/logout/all", 401)):
        response = await ada.post(path)
        assert response.status_code == status
        assert set_cookies(response) == []


@pytest.mark.parametrize("path", LEAVING)
async def test_a_dead_cookie_leaves_all_the_same(accounts: Accounts, runtime: Runtime, path: str) -> None:
    """CK-06: ended, out of time, gone, forged or empty: who wants to be signed out is."""
    ada, bob = await accounts.register(), await accounts.register()
    ended, late, gone = await signed_in(ada), await signed_in(ada), await signed_in(bob)
    await ended.copy().post("/auth/logout")
    await let_time_pass(runtime, id_of(runtime, late), Session.idle_expires_at, by=timedelta(days=8))
    await gone.copy().post("/auth/me/delete", {"password": PASSWORD})
    for browser, code in (
        (ended, "SESSION_ENDED"),
        (late, "SESSION_ENDED"),
        (gone, "TOKEN_INVALID"),
        (Browser(ada.http, "rubbish"), "TOKEN_INVALID"),
        (Browser(ada.http, '""'), "TOKEN_INVALID"),
    ):
        response = await browser.post(path)
        problem_of(response, 401, code)
        assert set_cookies(response) == [EXPIRED]


async def test_a_foreign_page_takes_no_cookie_away(accounts: Accounts) -> None:
    """CK-03, CK-06: not a living one, not a dead one."""
    browser = await signed_in(await accounts.register())
    dead = browser.copy()
    foreign = Browser(browser.http, browser.cookie, page={"Sec-Fetch-Site": "cross-site", "Origin": "null"})
    for path in LEAVING:
        response = await foreign.post(path)
        problem_of(response, 403, "CROSS_SITE_REQUEST")
        assert set_cookies(response) == []
    await browser.post("/auth/logout")
    foreign.cookie = dead.cookie
    assert set_cookies(await foreign.post("/auth/logout")) == []
