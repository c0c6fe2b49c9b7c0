"""Signing in over a session that the browser has already: another session begins, and the old one ends."""

import pytest

from app.models import Session
from app.runtime import Runtime
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.contention import at_once
from tests.cookies import Browser, cookie_content, cookie_key, set_cookies, signed_in
from tests.rows import change_user, count, find_session, living_sessions


async def test_signing_in_again_begins_another_session_and_ends_the_old_one(
    accounts: Accounts, runtime: Runtime
) -> None:
    """3.5-11, V7.2.4: nothing of the old cookie lives on, so whoever planted or copied it has nothing."""
    ada = await accounts.register()
    browser, elsewhere = await signed_in(ada), await signed_in(ada)
    before = browser.copy()
    assert (await browser.sign_in(ada)).status_code == 200
    old, new = (cookie_content(runtime.settings, b.cookie) for b in (before, browser))
    assert old.session_id != new.session_id
    assert old.secret != new.secret
    assert problem_of(await before.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "signed_in_again"
    for alive in (browser, elsewhere):
        assert (await alive.get("/auth/me")).status_code == 200
    story = (await browser.get(f"/sessions/{old.session_id}")).json()
    assert story["session"]["end_cause"] == "signed_in_again"
    assert story["timeline"][-1]["detail"] == "signed_in_again"


async def test_signing_in_over_the_cookie_before_the_current_one_ends_its_session_too(
    accounts: Accounts, runtime: Runtime
) -> None:
    """V7.2.4: the browser that lost the answer to a fresh proof; its cookie counts for the grace, so it is replaced."""
    ada = await accounts.register()
    browser = await signed_in(ada)
    old = cookie_content(runtime.settings, browser.cookie)
    await browser.copy().post("/auth/reauthenticate", {"password": ada.password})
    assert (await browser.get("/auth/me")).status_code == 200
    await browser.sign_in(ada)
    assert (await find_session(runtime, old.session_id)).end_cause == "signed_in_again"


async def test_two_users_of_one_browser_never_share_a_session(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-11: what one left behind is neither taken over nor left alive, and stays the first one's in the books."""
    ada, bob = await accounts.register(), await accounts.register()
    browser = await signed_in(ada)
    adas = browser.copy()
    await browser.sign_in(bob)
    assert (await browser.get("/auth/me")).json()["email"] == bob.email
    assert problem_of(await adas.get("/auth/me"), 401, "SESSION_ENDED")["cause"] == "signed_in_again"
    assert await living_sessions(runtime, ada) == set()
    assert len(await living_sessions(runtime, bob)) == 1
    assert len((await browser.get("/sessions/?ended=true")).json()["items"]) == 1
    problem_of(
        await browser.get(f"/sessions/{cookie_content(runtime.settings, adas.cookie).session_id}"), 404, "NOT_FOUND"
    )


async def test_a_planted_cookie_gives_its_planter_nothing(accounts: Accounts) -> None:
    """3.5-11: the classic fixation: the victim signs in over a session that the attacker knows."""
    victim, mallory = await accounts.register(), await signed_in(await accounts.register())
    browser = mallory.copy()
    await browser.sign_in(victim)
    assert (await browser.get("/auth/me")).json()["email"] == victim.email
    problem_of(await mallory.get("/auth/me"), 401, "SESSION_ENDED")


async def test_only_the_holder_of_a_cookie_ends_its_session_by_signing_in(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-11: a session's id is no secret, so it takes the secret: no forgery ends anybody's session."""
    victim, mallory = await accounts.signed_in(), await accounts.register()
    browser, settings = await signed_in(victim), runtime.settings
    content = cookie_content(settings, browser.cookie)
    row = await find_session(runtime, content.session_id)
    for presented in (
        browser.cookie[:-1],
        browser.cookie + "A",
        content.encode(b"\0" * 32),
        type(content)(content.session_id, b"\0" * 32).encode(cookie_key(settings)),
        type(content)(content.session_id, row.secret_digest).encode(cookie_key(settings)),
        str(content.session_id),
        victim.tokens["refresh_token"],
        victim.tokens["access_token"],
    ):
        attacker = Browser(mallory.http, presented)
        assert (await attacker.sign_in(mallory)).status_code == 200
        assert (await attacker.get("/auth/me")).json()["email"] == mallory.email
    assert len(await living_sessions(runtime, victim)) == 2
    for response in (await browser.get("/auth/me"), await victim.get("/auth/me"), await victim.refresh()):
        assert response.status_code == 200


async def test_a_failed_sign_in_leaves_the_old_session_alone(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-11, V7.2.4: nor is a cookie set for nothing."""
    ada, disabled = await accounts.register(), await accounts.register()
    await change_user(runtime, disabled, is_active=False)
    browser = await signed_in(ada)
    before, sessions = browser.cookie, await count(runtime, Session)
    for person, password in ((ada, "not the password at all"), (disabled, disabled.password), (ada, "x")):
        response = await browser.sign_in(person, password=password)
        problem_of(response, 401, "INVALID_CREDENTIALS")
        assert set_cookies(response) == []
    for form in ({}, {"username": ada.email}, {"username": ada.email, "password": "x" * 300}):
        response = await browser.call("POST", "/auth/login?transport=cookie", data=form)
        problem_of(response, 422, "VALIDATION_FAILED")
        assert set_cookies(response) == []
    assert browser.cookie == before
    assert await count(runtime, Session) == sessions
    assert (await browser.get("/auth/me")).status_code == 200


async def test_a_dead_cookie_is_no_hindrance_to_signing_in(accounts: Accounts, runtime: Runtime) -> None:
    """V7.2.4: ended, or never ours; and the first cause of an end stays."""
    ada = await accounts.register()
    dead = await signed_in(ada)
    content = cookie_content(runtime.settings, dead.cookie)
    await dead.copy().post("/auth/logout")
    for value in (dead.cookie, "rubbish", "ost_sc_", "A" * 5000):
        browser = Browser(ada.http, value)
        assert (await browser.sign_in(ada)).status_code == 200
        assert (await browser.get("/auth/me")).status_code == 200
    assert (await find_session(runtime, content.session_id)).end_cause == "logout"


async def test_a_sign_in_with_tokens_leaves_the_browsers_session_alone(accounts: Accounts) -> None:
    """V7.2.4: the cookie stays in the browser, so its session stays what it is."""
    ada = await accounts.register()
    browser = await signed_in(ada)
    form = {"username": ada.email, "password": ada.password}
    response = await browser.call("POST", "/auth/login", data=form)
    assert "access_token" in response.json()
    assert set_cookies(response) == []
    assert (await browser.get("/auth/me")).status_code == 200


@pytest.mark.settings(DATABASE_POOL_SIZE=20)
async def test_signing_in_over_one_cookie_many_times_at_once_ends_it_once(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-11: no deadlock, no accident, and whichever answer the browser keeps is a session."""
    ada, bob = await accounts.register(), await accounts.register()
    first = await signed_in(ada)
    content = cookie_content(runtime.settings, first.cookie)

    async def again() -> list[Browser]:
        browsers = [first.copy(), first.copy()]
        answers = [(await b.sign_in(p)).status_code for b, p in zip(browsers, (ada, bob), strict=True)]
        assert answers == [200, 200]
        return browsers

    for browsers in await at_once(3, again):
        for browser in browsers:
            assert (await browser.get("/auth/me")).status_code == 200
    assert (await find_session(runtime, content.session_id)).end_cause == "signed_in_again"
    mine = await living_sessions(runtime, ada)
    assert len(mine) == 3
    assert content.session_id not in mine
