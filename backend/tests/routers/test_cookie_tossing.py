"""Cookies that a neighbour tosses in, and values that nobody was given: never taken for ours, never an accident."""

import secrets
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.auth.identifiers import new_id
from app.auth.tokens import CookieToken
from app.config import Settings
from app.runtime import Runtime
from tests import storefront
from tests.accounts import API, Accounts
from tests.answers import CANARY, check_nothing_repeated, checked_problem, problem_of
from tests.cookies import NAME, OWN_PAGE, Browser, cookie_content, cookie_key, send_raw, set_cookies, signed_in
from tests.rows import find_session
from tests.statements import recorded_statements
from tests.tokens import refresh_content, refresh_key

OURS = NAME.encode()
SPACES = [bytes([code]) for code in (0x85, 0xA0, 0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x1F)]
"""What Python calls white space and RFC 6265 does not. A browser takes the first two as part of a cookie's name."""
WIDE_SPACES = [text.encode() for text in "\u0085\u00a0\u1680\u2000\u2028\u3000\ufeff\u200b"]
LOOKALIKES = [
    b"__host-ostiary",
    b"__HOST-ostiary",
    b"__Host-Ostiary",
    b"__Host-OSTIARY",
    b"Host__ostiary",
    b"__Host_ostiary",
    b"_Host-ostiary",
    b"__Secure-ostiary",
    b"ostiary",
    b"x__Host-ostiary",
    b"__Host-ostiary2",
    b"__Host-ostiary\x00",
    b"__Host-ostiary ",
    b"__Host-ostiary\t",
    b"%5F%5FHost-ostiary",
    b'"__Host-ostiary"',
    b"$__Host-ostiary",
    "__Hоst-ostiary".encode(),  # noqa: RUF001  # A Cyrillic letter.
    b"=__Host-ostiary",
    b"x=__Host-ostiary",
    b",__Host-ostiary",
    b"x,__Host-ostiary",
]


async def test_two_cookies_of_the_name_are_refused(accounts: Accounts) -> None:
    """CK-02: one of them is somebody else's, and nobody can tell which; wherever they stand, whatever they hold."""
    ada, mallory = await accounts.register(), await accounts.register()
    mine, theirs = (await signed_in(ada)).cookie.encode(), (await signed_in(mallory)).cookie.encode()
    one, other = OURS + b"=" + mine, OURS + b"=" + theirs
    for cookies in (
        [one + b"; " + other],
        [other + b"; " + one],
        [one + b";" + one],
        [one, other],
        [other, one],
        [one, one],
        [b"a=b; " + one + b"; c=d; " + OURS + b"="],
        [one + b"; " + OURS],
        [OURS + b"; " + one],
        [one, b"", OURS + b"=" + CANARY.encode()],
        [one + b";\t  " + other],
        [b";;" + one + b";;;" + other + b";"],
    ):
        for method, path in (("GET", "/auth/me"), ("POST", "/auth/logout"), ("POST", "/auth/logout/others")):
            response = await send_raw(ada.http, *cookies, method=method, path=path)
            problem_of(response, 400, "INVALID_REQUEST")
            check_nothing_repeated(response, mine.decode(), theirs.decode())
            assert set_cookies(response) == []
    assert (await Browser(ada.http, mine.decode()).get("/auth/me")).json()["email"] == ada.email


async def test_nobody_signs_in_over_two_cookies(accounts: Accounts, runtime: Runtime) -> None:
    """CK-02: nor is either session ended, nor a password tried."""
    ada = await accounts.register()
    browser, hashed = await signed_in(ada), runtime.hashing.computed
    form = {"username": ada.email, "password": ada.password}
    headers = {**OWN_PAGE, "Cookie": f"{NAME}={browser.cookie}; {NAME}={CANARY}"}
    response = await ada.http.post(f"{API}/auth/login?transport=cookie", data=form, headers=headers)
    problem_of(response, 400, "INVALID_REQUEST")
    assert runtime.hashing.computed == hashed
    assert (await browser.get("/auth/me")).status_code == 200


async def check_not_taken(accounts: Accounts, *names: bytes) -> None:
    """Assert that a cookie of such a name is no credential, alone or beside a good one."""
    mallory, ada = await signed_in(await accounts.register()), await signed_in(person := await accounts.register())
    own = OURS + b"=" + ada.cookie.encode()
    for name in names:
        tossed = name + b"=" + mallory.cookie.encode()
        for cookies in ([tossed], [b"theme=dark; " + tossed]):
            problem_of(await send_raw(ada.http, *cookies), 401, "NOT_AUTHENTICATED")
        for cookies in ([tossed + b"; " + own], [own + b"; " + tossed], [tossed, own]):
            assert (await send_raw(ada.http, *cookies)).json()["email"] == person.email


async def test_a_lookalike_is_another_cookie(accounts: Accounts) -> None:
    """CK-02, CK-05: browsers keep neighbours from the exact name alone."""
    await check_not_taken(accounts, *LOOKALIKES)


async def test_no_space_before_a_name_makes_it_ours(accounts: Accounts) -> None:
    """CK-02: to a browser such a name has no `__Host-` prefix, so that a neighbour may set it."""
    await check_not_taken(accounts, *(space + OURS for space in (*SPACES, *WIDE_SPACES)))


async def test_no_space_behind_a_name_makes_it_ours(accounts: Accounts) -> None:
    """CK-02."""
    await check_not_taken(accounts, *(OURS + space for space in (*SPACES, *WIDE_SPACES)))


async def test_a_good_cookie_is_found_among_others(accounts: Accounts) -> None:
    """RFC 6265, section 4.2.1, and RFC 9113, section 8.2.3: one header or several, whatever stands beside."""
    browser = await signed_in(await accounts.register())
    own = OURS + b"=" + browser.cookie.encode()
    for cookies in (
        [own],
        [b"theme=dark; " + own + b"; lang=de"],
        [b"theme=dark", own, b"lang=de"],
        [b"theme=dark;" + own],
        [b"theme=dark;  " + own],
        [own + b";"],
        [b"\xff\xfe=\xe9; " + own],
        [b"=; ; =x; y; " + own],
        [b"a=" + b"x" * 30_000 + b"; " + own],
        [b"; ".join(b"c%d=%d" % (n, n) for n in range(3000)) + b"; " + own],
    ):
        assert (await send_raw(browser.http, *cookies)).status_code == 200


def forgeries(settings: Settings, genuine: str, other: str) -> list[str]:
    """Values that were never given to anybody, made from a genuine cookie and from that of another session."""
    content, key = cookie_content(settings, genuine), cookie_key(settings)
    prefix, body = "ost_sc_", genuine.removeprefix("ost_sc_")
    swapped = other.removeprefix("ost_sc_")
    flipped = [genuine[:n] + ("A" if genuine[n] != "A" else "B") + genuine[n + 1 :] for n in (7, 20, 40, 70, 100, 112)]
    return [
        *flipped,
        genuine[:-1],
        genuine + "A",
        genuine + "=",
        genuine + "==",
        f'"{genuine}"',
        f" {genuine}",
        genuine.upper(),
        genuine.lower(),
        body,
        prefix,
        prefix * 2 + body,
        "ost_rt_" + body,
        prefix + swapped[:22] + body[22:],
        prefix + body[:22] + swapped[22:],
        prefix + body[:64] + swapped[64:],
        prefix + "A" * len(body),
        prefix + body.replace("-", "+").replace("_", "/") + "/",
        content.encode(b"\0" * 32),
        content.encode(b""),
        content.encode(key[::-1]),
        content.encode(refresh_key(settings)),
        CANARY,
        "",
        "null",
        "undefined",
        "[object Object]",
        "ost_sc_" + "A" * 20_000,
    ]


async def test_a_forged_cookie_is_refused_without_a_statement(accounts: Accounts, runtime: Runtime) -> None:
    """CK-02, PD-02, PD-03: garbage costs the database nothing, and never repeats itself."""
    ada, other = await signed_in(await accounts.register()), await signed_in(await accounts.register())
    values = [value.encode() for value in forgeries(runtime.settings, ada.cookie, other.cookie)]
    values += [
        b"\xff\xfe\xfd",
        b"ost_sc_\xc3\xa9",
        b"\x00",
        b"ost_sc_" + b"\xe9" * 107,
        b"\x7f\x1b[31m",
        b"ost_sc_\xef\xbc\x8b",
    ]
    with recorded_statements(runtime) as statements:
        for value in values:
            for method, path in (("GET", "/auth/me"), ("POST", "/auth/logout/others")):
                response = await send_raw(ada.http, OURS + b"=" + value, method=method, path=path)
                problem_of(response, 401, "TOKEN_INVALID")
                check_nothing_repeated(response)
    assert statements == []


async def test_a_cookie_that_only_a_thief_of_the_server_secret_could_make_is_refused(
    accounts: Accounts, runtime: Runtime
) -> None:
    """CK-02: the row's secret decides as well, so the server secret alone makes no cookie."""
    ada, other = await signed_in(await accounts.register()), await signed_in(await accounts.register())
    settings = runtime.settings
    content, key = cookie_content(settings, ada.cookie), cookie_key(settings)
    row = await find_session(runtime, content.session_id)
    for made in (
        replace(content, secret=secrets.token_bytes(32)),
        replace(content, secret=b"\0" * 32),
        replace(content, secret=row.secret_digest),
        replace(content, secret=cookie_content(settings, other.cookie).secret),
        replace(content, session_id=new_id()),
        replace(content, session_id=cookie_content(settings, other.cookie).session_id),
    ):
        browser = Browser(ada.http, made.encode(key))
        problem_of(await browser.get("/auth/me"), 401, "TOKEN_INVALID")
        problem_of(await browser.post("/auth/logout/others"), 401, "TOKEN_INVALID")
    assert (await ada.get("/auth/me")).status_code == 200


async def test_the_secret_of_one_transport_is_nothing_in_the_other(accounts: Accounts, runtime: Runtime) -> None:
    """JW-13, CK-02: even re-wrapped with every key of the server."""
    settings, ada = runtime.settings, await accounts.signed_in()
    browser = await signed_in(ada)
    refresh, cookie = refresh_content(settings, ada.tokens["refresh_token"]), cookie_content(settings, browser.cookie)
    as_cookie = CookieToken(refresh.session_id, refresh.secret).encode(cookie_key(settings))
    problem_of(await Browser(ada.http, as_cookie).get("/auth/me"), 401, "TOKEN_INVALID")
    form = {"username": ada.email, "password": ada.password}
    headers = {**OWN_PAGE, "Cookie": f"{NAME}={as_cookie}"}
    await ada.http.post(f"{API}/auth/login?transport=cookie", data=form, headers=headers)
    as_refresh = replace(refresh, session_id=cookie.session_id, secret=cookie.secret).encode(refresh_key(settings))
    problem_of(await ada.refresh(as_refresh), 401, "REFRESH_TOKEN_INVALID")
    assert (await find_session(runtime, cookie.session_id)).ended_at is None
    assert (await browser.get("/auth/me")).status_code == 200


async def test_each_credential_counts_in_its_own_place_only(accounts: Accounts) -> None:
    """JW-13, OA-15: the matrix of three credentials and three places is diagonal."""
    ada = await accounts.signed_in()
    browser = await signed_in(ada)
    access, refresh, cookie = ada.tokens["access_token"], ada.tokens["refresh_token"], browser.cookie
    for value in (access, refresh):
        problem_of(await Browser(ada.http, value).get("/auth/me"), 401, "TOKEN_INVALID")
    for value in (refresh, cookie):
        bearer = {"Authorization": f"Bearer {value}"}
        problem_of(await ada.http.get(f"{API}/auth/me", headers=bearer), 401, "TOKEN_INVALID")
    for value in (access, cookie):
        problem_of(await ada.refresh(value), 401, "REFRESH_TOKEN_INVALID")
    for good in (await browser.get("/auth/me"), await ada.get("/auth/me"), await ada.refresh()):
        assert good.status_code == 200


async def test_a_cookie_is_taken_from_the_cookie_header_alone(accounts: Accounts) -> None:
    """OA-15, 3.7-05: not from the query, another header or a body."""
    browser = await signed_in(await accounts.register())
    headers = {"X-Cookie": f"{NAME}={browser.cookie}", "Set-Cookie": f"{NAME}={browser.cookie}", NAME: browser.cookie}
    me = f"{API}/auth/me"
    problem_of(await browser.http.get(me, headers=headers, params={NAME: browser.cookie}), 401, "NOT_AUTHENTICATED")
    form = {NAME: browser.cookie}
    problem_of(await browser.http.post(f"{API}/auth/logout", data=form, headers=OWN_PAGE), 401, "NOT_AUTHENTICATED")


@pytest.mark.settings(EXTENSIONS=[storefront.NAME])
async def test_no_value_is_an_accident_at_any_route(app: FastAPI, accounts: Accounts) -> None:
    """S58, PD-03: every route, with what no browser sends."""
    ada = await signed_in(await accounts.register())
    values = [b"", b"\xff" * 50, b"\x00", b"ost_sc_" + b"A" * 107, b"ost_sc_" + b"\xe9" * 107, b"A" * 60_000]
    values += [ada.cookie.encode()[:-1], b"%s" % CANARY.encode(), b"a; " + OURS + b"=b", b'"', b"=" * 500]
    for path, operations in app.openapi()["paths"].items():
        target = path.replace("{user_id}", str(new_id())).replace("{session_id}", str(new_id())).removeprefix(API)
        for method in operations:
            for value in values:
                response = await _any_route(ada.http, method.upper(), target, value)
                assert response.status_code < 300 or checked_problem(response)
                check_nothing_repeated(response)


async def _any_route(http: httpx2.AsyncClient, method: str, target: str, value: bytes) -> httpx2.Response:
    url = f"{API}{target}" if not target.startswith(("/health", "/.well-known")) else target
    page: list[Any] = [(name.encode(), text.encode()) for name, text in OWN_PAGE.items()]
    return await http.request(method, url, headers=[*page, (b"cookie", OURS + b"=" + value)])
