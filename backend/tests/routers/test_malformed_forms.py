"""Input that no honest client sends to the sign-in form, and methods and paths that nobody offers."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.models import Session
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.answers import CANARY, check_nothing_repeated, checked_problem, problem_of
from tests.rows import count, everything

LOGIN = f"{API}/auth/login"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"

JUNK: dict[str, bytes] = {
    "nothing": b"",
    "a bare word": b"hello",
    "bytes": b"\xff\xfe\x00\x01",
    "percent-encoded bad UTF-8": b"username=%ff%fe&password=%c0%af%ed%a0%80",
    "raw bad UTF-8": b"username=\xff\xfe&password=\xc0\xaf",
    "broken escapes": b"username=%zz%&password=%4",
    "NUL": b"username=%00&password=%00",
    "NUL inside": b"username=ada%00@example.com&password=a%00b",
    "no values": b"username&password",
    "empty values": b"username=&password=",
    "only separators": b"&" * 5000 + b";" * 5000 + b"=" * 5000,
    "thousands of fields": b"&".join(b"f%d=1" % n for n in range(5000)),
    "thousands of the same field": b"&".join(b"username=a" for _ in range(5000)),
    "a field with a long name": b"a" * 60_000 + b"=1",
    "a field with a long value": b"username=" + b"a" * 60_000 + b"&password=x",
    "brackets": b"username[$ne]=&password[$ne]=",
    "a list": b"username[]=ada&password[]=x",
    "JSON": b'{"username": "ada@example.com", "password": "x"}',
    "control characters": b"username=%0d%0aSet-Cookie:x&password=%1b%5b2J",
    "full-width at sign": "username=ada\uff20example.com&password=x".encode(),
}


async def post(http: httpx2.AsyncClient, content: bytes, media_type: str = FORM) -> httpx2.Response:
    return await http.post(LOGIN, content=content, headers={"Content-Type": media_type})


async def test_junk_in_the_form_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """S28, 3.1-32, 3.2-03, 3.2-08, PD-01, PD-02: never an accident, and nothing is written."""
    ada = await accounts.register("ada@example.com")
    before = await everything(runtime)
    for name, content in JUNK.items():
        response = await post(ada.http, content)
        assert response.status_code in {400, 401, 422}, name
        checked_problem(response)
    assert await everything(runtime) == before


async def test_a_refused_form_does_not_repeat_its_values(client: httpx2.AsyncClient) -> None:
    """S87, PD-02."""
    for fields in (
        f"username={CANARY}&password={CANARY}",
        f"username={CANARY}",
        f"password={CANARY}",
        f"username={CANARY * 100}&password={CANARY * 100}",
        f"username=a&password=b&scope={CANARY}&client_id={CANARY}&grant_type={CANARY}",
        f"username=a&password=b&more={CANARY}",
    ):
        response = await post(client, fields.encode())
        checked_problem(response)
        check_nothing_repeated(response)


@pytest.mark.parametrize("size", [70_000, 5_000_000])
async def test_a_form_larger_than_the_limit_is_refused(client: httpx2.AsyncClient, size: int) -> None:
    """S26, S86, 3.2-05, 3.2-08."""
    problem_of(await post(client, b"username=a&password=" + b"a" * size), 413, "BODY_TOO_LARGE")


async def test_a_form_that_grows_past_the_limit_is_refused(client: httpx2.AsyncClient) -> None:
    """S86: one that does not say how large it is going to be."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"username=a&password="
        for _ in range(100):
            yield b"a" * 1000

    response = await client.post(LOGIN, content=endless(), headers={"Content-Type": FORM})
    problem_of(response, 413, "BODY_TOO_LARGE")


async def test_a_form_in_another_content_type_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """3.2-07, 3.2-08: also multipart that is broken in every way."""
    ada = await accounts.register("ada@example.com")
    form = b"username=ada%40example.com&password=correct+horse+battery+staple"
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nada@example.com\r\n'
    bodies = [(form, media_type) for media_type in ("text/plain", "", "application/xml", "form", "application/json")]
    bodies += [(form, MULTIPART), (part, MULTIPART), (part * 500, MULTIPART), (b"--x--", MULTIPART), (b"", MULTIPART)]
    bodies += [(part, "multipart/form-data"), (part, "multipart/form-data; boundary="), (b"\xff", MULTIPART)]
    bodies += [(part, 'multipart/form-data; boundary="' + "x" * 5000), (form, FORM + "x"), (form, "; " * 2000)]
    for content, media_type in bodies:
        response = await post(ada.http, content, media_type)
        assert response.status_code in {400, 413, 415, 422}, (content[:40], media_type[:40])
        checked_problem(response)
        check_nothing_repeated(response, PASSWORD, "ada@example.com")
    assert await count(runtime, Session) == 0


async def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(client: httpx2.AsyncClient) -> None:
    """PD-03: Allow lists every method of the path, not only those of the route that was found first."""
    allowed = {
        "/auth/register": {"POST"},
        "/auth/login": {"POST"},
        "/auth/me": {"GET", "PATCH"},
        "/users/": {"GET"},
        "/users/0199b1d2-c3e4-7f5a-8b6c-7d8e9f0a1b2c": {"GET", "PATCH"},
    }
    for path, methods in allowed.items():
        response = await client.delete(API + path)
        problem_of(response, 405, "METHOD_NOT_ALLOWED")
        listed = {method.strip() for method in response.headers["allow"].split(",")}
        assert listed - {"HEAD"} == methods, path


async def test_an_encoded_slash_leads_past_no_guard(client: httpx2.AsyncClient) -> None:
    """3.2-15: the other spelling of a path is the same path with the same guard, or no path at all."""
    for path in ("/api/v1/auth%2fme", "/api/v1%2Fusers%2F", "/api%2fv1%2fauth/me"):
        problem = checked_problem(await client.get(path))
        assert problem["code"] in {"NOT_AUTHENTICATED", "NOT_FOUND"}, path


async def test_paths_that_do_not_exist_are_refused_alike(client: httpx2.AsyncClient) -> None:
    """S103, PD-01, 3.2-15: no redirect repeats a body, and no odd path is an accident."""
    paths = ["/", "/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/auth/me/", "/api/v1/users", "/%00", "/%ff"]
    paths += [
        "/api/v1//auth/me",
        "/API/V1/AUTH/ME",
        "/api/v1/auth/login/",
        f"/{CANARY}",
        "/a" * 2000,
    ]
    for path in paths:
        for method in ("GET", "POST"):
            response = await client.request(method, path, content=b"{}")
            problem_of(response, 404, "NOT_FOUND")
            assert "location" not in response.headers
            check_nothing_repeated(response)
