"""A session in a cookie: what the browser gets, and that every guard takes it as it takes an access token."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from app.config import Settings
from app.runtime import Runtime
from tests import storefront
from tests.accounts import API, PASSWORD, Accounts
from tests.answers import CANARY, check_nothing_repeated, problem_of
from tests.conftest import settings_for
from tests.cookies import NAME, OWN_PAGE, Browser, cookie_content, set_cookies, signed_in
from tests.instances import instance
from tests.rows import find_session

THIRTY_DAYS = str(30 * 24 * 3600)
ANOTHER_SECRET = "Hd83kLq0ZtR5vXw2Nc7Jp4Gs9Yf6Be1MuTiOoAaQxVz"
STORE = pytest.mark.settings(EXTENSIONS=[storefront.NAME])


async def test_the_cookie_has_every_attribute_that_keeps_it_safe(accounts: Accounts) -> None:
    """CK-01, CK-05, S99: by the letter, and nothing beside."""
    ada = await accounts.register()
    response = await Browser(ada.http).sign_in(ada)
    (cookie,) = set_cookies(response)
    assert cookie.name == "__Host-ostiary"
    assert cookie.value.startswith("ost_sc_")
    assert cookie.attributes == {
        "Max-Age": THIRTY_DAYS,
        "Path": "/",
        "Secure": None,
        "HttpOnly": None,
        "SameSite": "Lax",
    }
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.settings(SESSION_MAX_DAYS=9)
async def test_the_cookie_lasts_as_long_as_its_session_may(accounts: Accounts) -> None:
    """CK-01: neither shorter nor longer than the absolute lifetime."""
    browser = Browser((ada := await accounts.register()).http)
    (cookie,) = set_cookies(await browser.sign_in(ada))
    assert cookie.attributes["Max-Age"] == str(9 * 24 * 3600)


async def test_the_answer_holds_no_token(accounts: Accounts, runtime: Runtime) -> None:
    """CK-01: what a script may read is no credential, in no disguise."""
    ada = await accounts.register()
    response = await Browser(ada.http).sign_in(ada)
    body = response.json()
    assert set(body) == {"transport", "expires_at"}
    assert body["transport"] == "cookie"
    ends_in = datetime.fromisoformat(body["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < ends_in <= timedelta(days=30)
    others = [value for name, value in response.headers.multi_items() if name != "set-cookie"]
    visible = response.text + "\n".join(others)
    (cookie,) = set_cookies(response)
    secret = cookie_content(runtime.settings, cookie.value).secret
    for text in (cookie.value, cookie.value[-20:], "ost_", "eyJ", secret.hex(), "token", "bearer"):
        assert text not in visible


async def test_the_row_holds_no_cookie(accounts: Accounts, runtime: Runtime) -> None:
    """SE-02, V14.2.6: 256 bits of secret, of which a copy of the database shows a digest only."""
    browser = await signed_in(await accounts.register())
    content = cookie_content(runtime.settings, browser.cookie)
    session = await find_session(runtime, content.session_id)
    assert len(content.secret) == 32
    assert session.transport == "cookie"
    assert session.secret_digest != content.secret
    assert session.former_secret_digest is None


async def test_a_sign_in_with_tokens_sets_no_cookie(accounts: Accounts) -> None:
    """CK-01: the transport is chosen, not guessed; asking for it by name is the same as not asking."""
    ada = await accounts.signed_in()
    form = {"username": ada.email, "password": ada.password}
    for query in ("", "?transport=bearer"):
        response = await ada.http.post(f"{API}/auth/login{query}", data=form, headers=OWN_PAGE)
        assert set(response.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert set_cookies(response) == []
    for made in (await ada.refresh(), await ada.post("/auth/reauthenticate", json={"password": PASSWORD})):
        assert made.status_code == 200
        assert set_cookies(made) == []


async def test_another_transport_is_refused(accounts: Accounts) -> None:
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    for transport in ("Cookie", "COOKIE", "cookie ", "", "both", "cookie,bearer"):
        answer = await ada.http.post(f"{API}/auth/login", data=form, headers=OWN_PAGE, params={"transport": transport})
        problem_of(answer, 422, "VALIDATION_FAILED")
        assert set_cookies(answer) == []


@STORE
async def test_every_guard_takes_the_cookie(accounts: Accounts) -> None:
    """CK-01, V8.3.1: own routes, those of administrators and a product's, without a word about cookies in them."""
    admin = await accounts.administrator()
    browser, plain = await signed_in(admin), await signed_in(await accounts.register())
    assert (await browser.get("/auth/me")).json()["email"] == admin.email
    assert (await browser.call("PATCH", "/auth/me", json={"full_name": "Ada"})).json()["full_name"] == "Ada"
    sessions = (await browser.get("/sessions/")).json()["items"]
    assert [(s["transport"], s["is_current"]) for s in sessions] == [("cookie", True), ("bearer", False)]
    assert (await browser.get("/users/")).status_code == 200
    assert (await browser.get(storefront.ORDERS)).json() == admin.email
    assert (await browser.post(storefront.ORDERS)).json() == admin.email
    for path in ("/users/", storefront.ORDERS):
        problem_of(await plain.get(path), 403, "PERMISSION_DENIED")


@STORE
async def test_a_token_and_a_cookie_together_are_refused(accounts: Accounts) -> None:
    """OA-15: two parties could each believe another one, so it does not matter whether either is any good."""
    admin = await accounts.administrator()
    browser, dead = await signed_in(admin), await admin.sign_in()
    await dead.post("/auth/logout")
    good, ended = admin.headers["Authorization"], dead.headers["Authorization"]
    pairs = [(good, browser.cookie), (ended, browser.cookie), (f"Bearer {CANARY}", browser.cookie)]
    pairs += [(good, CANARY), (good, ""), (good, browser.cookie[:-1]), (f"Bearer {CANARY}", CANARY)]
    for authorization, cookie in pairs:
        headers = {**OWN_PAGE, "Authorization": authorization, "Cookie": f"{NAME}={cookie}"}
        for method, path in (("GET", "/auth/me"), ("POST", "/auth/logout"), ("GET", storefront.ORDERS)):
            response = await admin.http.request(method, API + path, headers=headers)
            problem_of(response, 400, "INVALID_REQUEST")
            check_nothing_repeated(response)
            assert set_cookies(response) == []
    assert (await browser.get("/auth/me")).status_code == 200
    assert (await admin.get("/auth/me")).status_code == 200


async def test_two_authorization_headers_beside_a_cookie_are_refused(accounts: Accounts) -> None:
    """OA-15."""
    browser = await signed_in(await accounts.register())
    for values in (("Basic x", "Basic x"), ("Basic x", f"Bearer {CANARY}")):
        headers = [("Cookie", f"{NAME}={browser.cookie}"), *(("Authorization", value) for value in values)]
        problem_of(await browser.http.get(f"{API}/auth/me", headers=headers), 400, "INVALID_REQUEST")


async def test_a_scheme_that_is_not_ours_leaves_the_cookie_alone(accounts: Accounts) -> None:
    """OA-15: a proxy that asks for a password of its own writes `Basic`, which has never been a credential here."""
    browser = await signed_in(await accounts.register())
    for value in ("Basic YWRhOnNlY3JldA==", f"Negotiate {CANARY}", ""):
        headers = {"Cookie": f"{NAME}={browser.cookie}", "Authorization": value}
        assert (await browser.http.get(f"{API}/auth/me", headers=headers)).status_code == 200
        problem_of(await browser.http.get(f"{API}/auth/me", headers={"Authorization": value}), 401, "NOT_AUTHENTICATED")


async def test_a_public_route_takes_no_notice_of_the_cookie(accounts: Accounts) -> None:
    """3.7-05: a refresh and a registration answer the same with a good, a dead and a broken cookie."""
    ada = await accounts.signed_in()
    browser = await signed_in(ada)
    for cookie in (browser.cookie, CANARY, f"{CANARY}; {NAME}=twice"):
        headers = {"Cookie": f"{NAME}={cookie}"}
        body = {"refresh_token": ada.tokens["refresh_token"]}
        response = await ada.http.post(f"{API}/auth/refresh", json=body, headers=headers)
        assert response.status_code == 200
        assert set_cookies(response) == []
        ada.tokens = response.json()


async def test_a_cookie_outlives_a_change_of_the_server_secret_if_it_may(
    accounts: Accounts, settings: Settings
) -> None:
    """V13.3.4: made under a former secret it counts, under a forgotten one it is a forgery."""
    browser = await signed_in(await accounts.register())
    url = settings.DATABASE_URL.get_secret_value()
    previous = settings.SECRET_KEY.get_secret_value()
    async with instance(settings_for(url, SECRET_KEY=ANOTHER_SECRET, SECRET_KEY_PREVIOUS=previous)) as later:
        assert (await Browser(later.http, browser.cookie).get("/auth/me")).status_code == 200
        newer = await signed_in(await accounts.register())
        assert (await Browser(later.http, newer.cookie).get("/auth/me")).status_code == 200
    async with instance(settings_for(url, SECRET_KEY=ANOTHER_SECRET)) as stranger:
        problem_of(await Browser(stranger.http, browser.cookie).get("/auth/me"), 401, "TOKEN_INVALID")


async def test_nothing_of_a_cookie_reaches_the_log(accounts: Accounts, caplog: pytest.LogCaptureFixture) -> None:
    """V16.2.5, S50: good, dead or broken."""
    browser = await signed_in(await accounts.register())
    before, value = browser.copy(), browser.cookie
    await browser.get("/auth/me")
    await browser.post("/auth/reauthenticate", {"password": PASSWORD})
    await browser.post("/auth/logout")
    await before.post("/auth/logout")
    await Browser(browser.http, CANARY).get("/auth/me")
    await browser.http.get(f"{API}/auth/me", headers={"Cookie": f"{NAME}={CANARY}; {NAME}={value}"})
    said = caplog.text
    assert "session.created" in said
    assert CANARY not in said
    for secret in (value[7:40], value[-40:], PASSWORD):
        assert secret not in said


async def test_no_cookie_at_all_means_nobody(client: httpx2.AsyncClient) -> None:
    """A browser that never signed in is told to, not that anything of its own is wrong."""
    for headers in ({}, {"Cookie": "theme=dark; lang=de"}, {"Cookie": ""}):
        response = await client.get(f"{API}/auth/me", headers=headers)
        problem_of(response, 401, "NOT_AUTHENTICATED")
