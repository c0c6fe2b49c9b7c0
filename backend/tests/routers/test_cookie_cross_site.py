"""Requests that other pages make a browser send: a cookie alone changes nothing, whichever page asks for it."""

from collections.abc import Sequence

import httpx2
import pytest
from fastapi import FastAPI

from app.auth.identifiers import new_id
from app.runtime import Runtime
from tests import storefront
from tests.accounts import API, Accounts, Person
from tests.answers import problem_of
from tests.conftest import BASE_URL
from tests.cookies import FOREIGN_PAGE, NAME, Browser, set_cookies, signed_in
from tests.rows import change_user, everything, find_user
from tests.statements import recorded_statements

FRONTEND = "https://app.example.com"
LISTED = "https://admin.example.com:8443"
LISTED_ORIGINS = pytest.mark.settings(FRONTEND_URL=FRONTEND, ALLOWED_ORIGINS=[LISTED], EXTENSIONS=[storefront.NAME])

SITES: list[tuple[str, ...]] = [
    (),
    ("same-origin",),
    ("same-site",),
    ("cross-site",),
    ("none",),
    ("",),
    ("Same-Origin",),
    ("same-origin, same-origin",),
    ("same-origin, cross-site",),
    ("trust me",),
    ("same-origin", "same-origin"),
    ("same-origin", "cross-site"),
    ("cross-site", "none"),
]
"""What Sec-Fetch-Site may say, header by header."""

ORIGINS_THAT_MAY = [BASE_URL, FRONTEND, LISTED]
STRANGERS = [
    "null",
    "",
    "*",
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "https://app.example.co",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://admin.example.com",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://app.example.com@evil.example",
    f"{BASE_URL}/",
    "http://127.0.0.1:8001",
    "http://127.0.0.1",
    "https://127.0.0.1:8000",
    "http://localhost:8000",
    "http://127.0.0.1:80000",
    f"{FRONTEND}, https://evil.example",
    f"{FRONTEND} https://evil.example",
]
"""Origins of pages that nobody has listed, most of them nearly."""

Pages = Sequence[tuple[str, str]]


def page(sites: Sequence[str], origins: Sequence[str]) -> Pages:
    return [*(("Sec-Fetch-Site", site) for site in sites), *(("Origin", origin) for origin in origins)]


TRUSTED: list[Pages] = [
    # What a page of our own sends, or the address bar; with `no-referrer` its Origin is `null` (Fetch, section 3.1).
    *(page([site], []) for site in ("same-origin", "none")),
    *(page(["same-origin"], [origin]) for origin in (*ORIGINS_THAT_MAY, *STRANGERS)),
    # What a listed page sends, from a browser that knows Sec-Fetch-Site and from one that does not.
    *(page(sites, [origin]) for origin in ORIGINS_THAT_MAY for sites in SITES if len(sites) < 2),
]
UNTRUSTED: list[Pages] = [
    *(page(sites, []) for sites in SITES if sites not in {("same-origin",), ("none",)}),
    *(page(sites, [origin]) for origin in STRANGERS for sites in SITES if sites != ("same-origin",)),
    *(page(sites, [origin]) for origin in ORIGINS_THAT_MAY for sites in SITES if len(sites) == 2),
    *(page(sites, [FRONTEND, other]) for sites in SITES for other in (FRONTEND, BASE_URL, "https://evil.example")),
]
SOME_UNTRUSTED = [page([], []), *(page([site], []) for site in ("same-site", "cross-site")), [*FOREIGN_PAGE.items()]]


async def send(person: Person, cookie: str, sent_by: Pages, method: str, path: str) -> httpx2.Response:
    headers = [*sent_by, ("Cookie", f"{NAME}={cookie}")]
    return await person.http.request(method, API + path, headers=headers)


@LISTED_ORIGINS
async def test_a_page_that_may_is_obeyed(accounts: Accounts) -> None:
    """CK-03: every pair of Sec-Fetch-Site and Origin that a page of ours, or a listed one, can send."""
    ada = await accounts.register()
    browser = await signed_in(ada)
    for sent_by in TRUSTED:
        response = await send(ada, browser.cookie, sent_by, "POST", "/auth/logout/others")
        assert response.status_code == 204, (sent_by, response.text)


@LISTED_ORIGINS
async def test_a_page_that_may_not_changes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    """CK-03, S99, V3.5.1: nor do nearly equal origins, two headers, or none at all."""
    ada = await accounts.signed_in()
    browser = await signed_in(ada)
    before = await everything(runtime)
    with recorded_statements(runtime) as statements:
        for sent_by in UNTRUSTED:
            response = await send(ada, browser.cookie, sent_by, "POST", "/auth/logout/others")
            assert response.status_code == 403, sent_by
            problem_of(response, 403, "CROSS_SITE_REQUEST")
            assert set_cookies(response) == []
    assert statements == []
    assert await everything(runtime) == before


@LISTED_ORIGINS
async def test_a_product_is_guarded_by_method(accounts: Accounts, runtime: Runtime) -> None:
    """CK-03: a route of the product's own is safe without a word about it."""
    admin = await accounts.administrator()
    browser = await signed_in(admin)
    for method in storefront.UNSAFE_METHODS:
        await change_user(runtime, admin, full_name="unchanged")
        for sent_by in SOME_UNTRUSTED:
            refused = await send(admin, browser.cookie, sent_by, method, storefront.ORDERS)
            problem_of(refused, 403, "CROSS_SITE_REQUEST")
        assert (await find_user(runtime, admin)).full_name == "unchanged"
        obeyed = await send(admin, browser.cookie, page(["same-site"], [FRONTEND]), method, storefront.ORDERS)
        assert obeyed.status_code == 200, method
        assert (await find_user(runtime, admin)).full_name == storefront.TRACE


@LISTED_ORIGINS
async def test_every_route_that_changes_something_is_guarded(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """CK-03: read off the routes themselves, so that none is forgotten."""
    admin = await accounts.administrator()
    browser = await signed_in(admin)
    before = await everything(runtime)
    unsafe = [
        (method.upper(), path.replace("{user_id}", str(new_id())).replace("{session_id}", str(new_id())))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if method != "get" and operation["x-guard"] != "public"
    ]
    assert len(unsafe) > 15
    for method, path in unsafe:
        for sent_by in SOME_UNTRUSTED:
            response = await send(admin, browser.cookie, sent_by, method, path.removeprefix(API))
            problem_of(response, 403, "CROSS_SITE_REQUEST")
    assert await everything(runtime) == before


@LISTED_ORIGINS
async def test_reading_needs_no_page(accounts: Accounts) -> None:
    """CK-03: a link from elsewhere leads in; whether a page may see the answer, CORS decides."""
    admin = await accounts.administrator()
    browser = await signed_in(admin)
    for sent_by in (*SOME_UNTRUSTED, page(["none"], ["https://evil.example"]), page(["x", "y"], ["null", "null"])):
        for path in ("/auth/me", "/sessions/", "/users/", storefront.ORDERS):
            assert (await send(admin, browser.cookie, sent_by, "GET", path)).status_code == 200


@LISTED_ORIGINS
async def test_a_request_with_a_token_is_nobody_elses(accounts: Accounts) -> None:
    """CK-03: no browser attaches an access token by itself, so nothing is asked about the page."""
    ada = await accounts.signed_in()
    for sent_by in SOME_UNTRUSTED:
        headers = [*sent_by, *ada.headers.items()]
        response = await ada.http.request("PATCH", f"{API}/auth/me", headers=headers, json={"full_name": "Ada"})
        assert response.status_code == 200


@LISTED_ORIGINS
async def test_a_foreign_page_signs_no_browser_in(accounts: Accounts, runtime: Runtime) -> None:
    """CK-03, 3.5-11: who is signed in unawares gives what they type to another; and guessing this way costs no hash."""
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    hashed, before = runtime.hashing.computed, await everything(runtime)
    with recorded_statements(runtime) as statements:
        for sent_by in UNTRUSTED:
            response = await ada.http.post(f"{API}/auth/login?transport=cookie", data=form, headers=list(sent_by))
            problem_of(response, 403, "CROSS_SITE_REQUEST")
            assert set_cookies(response) == []
    assert (statements, runtime.hashing.computed) == ([], hashed)
    assert await everything(runtime) == before


@LISTED_ORIGINS
async def test_a_listed_page_signs_its_browser_in(accounts: Accounts) -> None:
    """CK-03: with and without Sec-Fetch-Site."""
    ada = await accounts.register()
    for origin in ORIGINS_THAT_MAY:
        for headers in ({"Origin": origin}, {"Origin": origin, "Sec-Fetch-Site": "same-site"}):
            browser = Browser(ada.http, page=headers)
            assert (await browser.sign_in(ada)).status_code == 200
            assert (await browser.call("PATCH", "/auth/me", json={"full_name": "Ada"})).status_code == 200


@LISTED_ORIGINS
async def test_a_page_whose_browser_would_drop_the_cookie_is_told_so(accounts: Accounts, runtime: Runtime) -> None:
    """CK-03: of another site, though listed: a 200 would leave the user signed out without a word."""
    ada = await accounts.register()
    before, hashed = await everything(runtime), runtime.hashing.computed
    for origins in ([FRONTEND], [LISTED], [BASE_URL], []):
        headers = page(["cross-site"], origins)
        form = {"username": ada.email, "password": ada.password}
        response = await ada.http.post(f"{API}/auth/login?transport=cookie", data=form, headers=list(headers))
        assert "would not keep the cookie" in problem_of(response, 403, "CROSS_SITE_REQUEST")["detail"]
        assert set_cookies(response) == []
    assert (await everything(runtime), runtime.hashing.computed) == (before, hashed)


@LISTED_ORIGINS
async def test_a_sign_in_with_tokens_is_taken_from_everywhere(accounts: Accounts) -> None:
    """CK-03: it leaves nothing in the browser, and a foreign page cannot read the answer."""
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    response = await ada.http.post(f"{API}/auth/login", data=form, headers=FOREIGN_PAGE)
    assert response.status_code == 200
    assert set_cookies(response) == []
    assert "access-control-allow-origin" not in response.headers


async def preflight(http: httpx2.AsyncClient, origin: str) -> httpx2.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    return await http.options(f"{API}/auth/me", headers={**asked, "Access-Control-Request-Headers": "content-type"})


@LISTED_ORIGINS
async def test_only_a_listed_page_may_send_the_cookie_along(accounts: Accounts) -> None:
    """3.6-12, S81: without both headers no browser sends it, or shows the answer."""
    ada = await accounts.register()
    browser = await signed_in(ada)
    for origin in (FRONTEND, LISTED):
        asked = await preflight(ada.http, origin)
        read = await send(ada, browser.cookie, page(["same-site"], [origin]), "GET", "/auth/me")
        for response in (asked, read):
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] == origin
            assert response.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in response.headers["vary"]
    for origin in STRANGERS:
        refused = await preflight(ada.http, origin)
        read = await send(ada, browser.cookie, page(["cross-site"], [origin]), "GET", "/auth/me")
        assert refused.status_code == 400, origin
        assert "access-control-allow-origin" not in refused.headers, origin
        assert "access-control-allow-origin" not in read.headers, origin


@pytest.mark.settings(ALLOWED_ORIGINS=["*"], FRONTEND_URL=FRONTEND)
async def test_every_origin_means_no_cookie(accounts: Accounts) -> None:
    """S81: `*`, which only development takes, opens reading without credentials, and no change at all."""
    ada = await accounts.register()
    browser = await signed_in(ada)
    for origin in (FRONTEND, "https://evil.example", "null"):
        read = await send(ada, browser.cookie, page(["cross-site"], [origin]), "GET", "/auth/me")
        for response in (await preflight(ada.http, origin), read):
            assert "access-control-allow-credentials" not in response.headers
            assert response.headers["access-control-allow-origin"] == "*"
    for origin in ("https://evil.example", "null", "http://app.example.com"):
        response = await send(ada, browser.cookie, page(["cross-site"], [origin]), "POST", "/auth/logout")
        problem_of(response, 403, "CROSS_SITE_REQUEST")
