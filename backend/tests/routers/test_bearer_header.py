"""The Authorization header, in every shape that somebody might send: refused, never an accident, never the query."""

import httpx2

from app.runtime import Runtime
from tests.accounts import API, Accounts
from tests.answers import CANARY, check_nothing_repeated, problem_of
from tests.statements import recorded_statements

ME = f"{API}/auth/me"


async def ask(http: httpx2.AsyncClient, *values: bytes | str, path: str = ME) -> httpx2.Response:
    """Call with these Authorization headers, byte for byte."""
    headers = [(b"authorization", v if isinstance(v, bytes) else v.encode("latin-1")) for v in values]
    return await http.get(path, headers=headers)


async def test_without_a_usable_header_nobody_is_signed_in(client: httpx2.AsyncClient) -> None:
    """3.1-32, S58, PD-03: what is no bearer token at all is answered like no header at all."""
    for value in (
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer \t ",
        "Basic YWRhOnNlY3JldA==",
        f"Basic {CANARY}",
        CANARY,
        f"Token {CANARY}",
        f"Bearer:{CANARY}",
        f"Bearer\t{CANARY}",
        f"Bearer,{CANARY}",
        f"Bearer={CANARY}",
        f"BearerBearer {CANARY}",
        "DPoP x",
        "null",
    ):
        response = await ask(client, value)
        problem_of(response, 401, "NOT_AUTHENTICATED")
        assert response.headers["www-authenticate"] == "Bearer"
        check_nothing_repeated(response)


async def test_what_is_not_our_token_is_refused_without_a_statement(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    """3.1-32, S50, S58, PD-02, PD-03: garbage costs the database nothing and never repeats itself."""
    garbage: list[bytes | str] = [
        f"Bearer {CANARY}",
        "Bearer .",
        "Bearer ..",
        "Bearer ...",
        f"Bearer {CANARY}.{CANARY}.{CANARY}",
        "Bearer e30.e30.",
        "Bearer e30.e30.e30",
        "Bearer bnVsbA.bnVsbA.bnVsbA",
        "Bearer a b",
        "Bearer undefined",
        "Bearer [object Object]",
        'Bearer "x"',
        b"Bearer \xff\xfe\xfd",
        b"Bearer \xc3\xa9.\xc3\xa9.\xc3\xa9",
        b"Bearer \x00",
        b"Bearer a\x00b",
        b"Bearer \x7f\x1b[31m",
        "Bearer %00%ff",
        "Bearer " + "." * 8192,
        "Bearer " + "A" * 8190 + "..",
        "Bearer ost_rt_" + "A" * 112,
    ]
    with recorded_statements(runtime) as statements:
        for value in garbage:
            response = await ask(client, value)
            problem_of(response, 401, "TOKEN_INVALID")
            assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
            check_nothing_repeated(response)
    assert statements == []


async def test_a_token_of_ten_megabytes_is_refused_unread(client: httpx2.AsyncClient) -> None:
    """JW-07, S61, 3.1-24."""
    for token in ("A" * 10_000_000, "A" * 5_000_000 + "." + "A" * 5_000_000 + ".A", "." * 10_000_000):
        response = await ask(client, f"Bearer {token}")
        problem_of(response, 401, "TOKEN_INVALID")
        assert len(response.content) < 1000


async def test_two_headers_are_refused_even_if_both_are_good(accounts: Accounts) -> None:
    """OA-15: two parties could each look at another one (RFC 6750, section 2)."""
    ada = await accounts.signed_in()
    good = ada.headers["Authorization"]
    for values in ((good, good), (good, f"Bearer {CANARY}"), (f"Bearer {CANARY}", good), (good, ""), ("Basic x", good)):
        response = await ask(ada.http, *values)
        problem_of(response, 400, "INVALID_REQUEST")
        check_nothing_repeated(response)


async def test_two_tokens_in_one_header_are_refused(accounts: Accounts) -> None:
    """OA-15: a proxy that joins two headers writes a comma."""
    ada = await accounts.signed_in()
    token = ada.tokens["access_token"]
    for value in (f"Bearer {token}, Bearer {token}", f"Bearer {token},{token}", f"Bearer {token} {token}"):
        problem_of(await ask(ada.http, value), 401, "TOKEN_INVALID")


async def test_the_scheme_is_found_in_any_case(accounts: Accounts) -> None:
    """RFC 9110, section 11.1: names of schemes have no case. The token itself has."""
    ada = await accounts.signed_in()
    token = ada.tokens["access_token"]
    for value in (f"bearer {token}", f"BEARER {token}", f"Bearer   {token}"):
        assert (await ask(ada.http, value)).status_code == 200
    problem_of(await ask(ada.http, f"Bearer {token.swapcase()}"), 401, "TOKEN_INVALID")


async def test_a_token_is_taken_from_nowhere_else(accounts: Accounts) -> None:
    """OA-15, 3.7-05: not from the query, a cookie, another header or a body."""
    ada = await accounts.signed_in()
    token = ada.tokens["access_token"]
    problem_of(await ada.http.get(ME, params={"access_token": token, "token": token}), 401, "NOT_AUTHENTICATED")
    headers = {
        "Cookie": f"access_token={token}; session={token}",
        "X-Access-Token": token,
        "Proxy-Authorization": token,
    }
    problem_of(await ada.http.get(ME, headers=headers), 401, "NOT_AUTHENTICATED")
    form = {"access_token": token}
    problem_of(await ada.http.post(f"{API}/auth/logout", data=form), 401, "NOT_AUTHENTICATED")
    assert (await ada.get("/auth/me")).status_code == 200


async def test_a_public_route_does_not_care_about_the_header(accounts: Accounts) -> None:
    """3.7-05: garbage in it changes neither the answer nor what it costs."""
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    for value in (f"Bearer {CANARY}", "Basic x", ""):
        response = await ada.http.post(f"{API}/auth/login", data=form, headers={"Authorization": value})
        assert response.status_code == 200
