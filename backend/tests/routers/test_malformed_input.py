"""Input that no honest client sends, at every route that takes a body: a clear refusal, and nothing is written."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.auth.identifiers import new_id
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts, Person
from tests.answers import CANARY, check_nothing_repeated, checked_problem, problem_of
from tests.rows import everything_but_stories

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SOMEBODY = "{user_id}"
OWN_PAGE = "http://localhost:3000"

VALID: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/auth/register"): {"email": "new@example.com", "password": PASSWORD, "full_name": "Ada"},
    ("POST", "/auth/refresh"): {"refresh_token": "x"},
    ("POST", "/auth/reauthenticate"): {"password": PASSWORD},
    ("PATCH", "/auth/me"): {"full_name": "Ada"},
    ("POST", "/auth/me/password"): {"current_password": PASSWORD, "new_password": "a brand new passphrase"},
    ("POST", "/auth/me/delete"): {"password": PASSWORD},
    ("POST", "/auth/me/email"): {"email": "new@example.com"},
    ("POST", "/auth/me/email/confirm"): {"token": "x"},
    ("POST", "/auth/email/veto"): {"token": "x"},
    ("POST", "/auth/undo"): {"token": "x"},
    ("POST", "/auth/password/forgot"): {"email": "new@example.com"},
    ("POST", "/auth/password/reset"): {"token": "x", "new_password": "a brand new passphrase"},
    ("POST", "/auth/verification/resend"): {"email": "new@example.com"},
    ("POST", "/auth/verification/confirm"): {"token": "x", "password": "a brand new passphrase"},
    ("POST", "/invitations/"): {"email": "new@example.com", "role": "user"},
    ("POST", "/invitations/accept"): {"token": "x", "password": "a brand new passphrase", "full_name": "Ada"},
    ("PATCH", f"/users/{SOMEBODY}"): {"is_active": False, "role": "user"},
    ("POST", "/auth/code/request"): {"email": "new@example.com"},
    ("POST", "/auth/code/sign-in"): {"email": "new@example.com", "code": "12345678", "flow": "x"},
    ("POST", "/auth/exchange"): {"code": "x", "code_verifier": "x" * 43},
    ("POST", "/auth/{provider}/code"): {"state": "x", "code": "x"},
    ("POST", "/auth/{provider}/id-token"): {"credential": "x", "nonce": "x"},
    ("POST", "/auth/{provider}/link"): {"return_to": "/settings"},
    ("POST", "/auth/passkey"): {"ceremony": "x", "credential": {"id": "x"}},
    ("POST", "/auth/second-factor"): {"pending": "x", "method": "totp", "code": "123456"},
    ("POST", "/auth/second-factor/passkey/options"): {"pending": "x"},
    ("POST", "/auth/second-factor/status"): {"pending": "x"},
    ("POST", "/auth/second-factor/totp"): {"pending": "x"},
    ("POST", "/auth/second-factor/totp/confirm"): {"pending": "x", "code": "123456"},
    ("POST", "/auth/me/totp/confirm"): {"code": "123456"},
    ("POST", "/auth/me/passkeys"): {"name": "My phone", "ceremony": "x", "credential": {"id": "x"}},
    ("PATCH", "/auth/me/passkeys/{passkey_id}"): {"name": "My phone"},
    ("POST", f"/users/{SOMEBODY}/factors/reset"): {"reason": "The phone is lost"},
}
"""A body for each route that takes JSON. All but what came from elsewhere, like a refresh token, would be obeyed."""

TAKES_ANY_OBJECT = "credential"
"""What a browser says in the name of a passkey: its inside is judged by whoever verifies it."""

NOT_JSON: dict[str, bytes] = {
    "a huge float": b"1e400",
    "nothing": b"",
    "white space": b" \n\t ",
    "cut off": b'{"email": "%s' % CANARY.encode(),
    "cut off after a key": b'{"password"',
    "two documents": b'{} {"password": "%s"}' % CANARY.encode(),
    "garbage after it": b"{}%s" % CANARY.encode(),
    "single quotes": b"{'password': '%s'}" % CANARY.encode(),
    "a comment": b'{"password": "x" /* %s */}' % CANARY.encode(),
    "a trailing comma": b'{"password": "%s",}' % CANARY.encode(),
    "a raw line break": b'{"password": "%s\n"}' % CANARY.encode(),
    "a bad escape": b'{"password": "\\x41%s"}' % CANARY.encode(),
    "NaN": b'{"password": NaN}',
    "Infinity": b'{"password": Infinity}',
    "minus Infinity": b'{"password": -Infinity}',
    "a duplicate key": b'{"password": "%s", "password": "%s2"}' % (CANARY.encode(), CANARY.encode()),
    "a duplicate key further in": b'{"x": [{"a": 1, "a": 2}]}',
    "bad UTF-8": b'{"password": "\xff\xfe\xc0\xaf%s"}' % CANARY.encode(),
    "half a pair as a key": b'{"\\ud800": 1}',
    "half a pair before another character": b'{"\\ud83e\\u0041": 1}',
    "a surrogate in UTF-8": b'{"password": "\xed\xa0\x80"}',
    "UTF-16": f'{{"password": "{CANARY}"}}'.encode("utf-16"),
    "UTF-32": f'{{"password": "{CANARY}"}}'.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NUL bytes": b"\x00\x00\x00",
    "10,000 digits": b'{"password": %s}' % (b"9" * 10_000),
    "30,000 brackets": b"[" * 30_000 + b"]" * 30_000,
    "30,000 brackets that never close": b"[" * 30_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a form": b"password=%s" % CANARY.encode(),
    "XML": b"<password>%s</password>" % CANARY.encode(),
}

NOT_AN_OBJECT: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"12345",
    "a text": b'"%s"' % CANARY.encode(),
    "an empty list": b"[]",
    "a list": b'["%s"]' % CANARY.encode(),
    "a list of objects": b'[{"password": "%s"}]' % CANARY.encode(),
    "100 brackets": b"[" * 100 + b"]" * 100,
    "a NUL as a key": b'{"\\u0000": 1}',
    "an empty key": b'{"": 1}',
    "__proto__": b'{"__proto__": {"is_active": true}, "__class__": 1}',
    "1,000 keys": b"{%s}" % b",".join(b'"k%d": 1' % n for n in range(1000)),
    "100 objects": b'{"a":' * 100 + b"1" + b"}" * 100,
}

NOT_A_TEXT: list[object] = [
    12345,
    -1,
    1.5,
    10**400,
    [],
    {},
    [CANARY],
    {CANARY: CANARY},
    {"$ne": CANARY},
    [[[[[[CANARY]]]]]],
]

STRANGE_TEXTS = [
    "\ud800",
    "\udfff" + CANARY,
    f"{CANARY}\ud800\ud800",
    f"{CANARY}\x00",
    "\x00",
    f"{CANARY}\x1b[2J\x07\x08",
    f"\u202e{CANARY}\x00",
    CANARY * 5000,
    f"${{jndi:ldap://{CANARY}}}\x00",
    f"'; DROP TABLE users; -- {CANARY}\x00",
    f"{{{{7*7}}}}{CANARY}\x00",
]


@dataclass(frozen=True)
class Route:
    """One route with everything but the body in order: who calls it may, and whom it acts on exists."""

    name: str
    method: str
    path: str
    valid: dict[str, Any]
    caller: Person

    async def send(self, content: bytes | AsyncIterator[bytes], media_type: str = JSON) -> httpx2.Response:
        headers = {**self.caller.headers, "Content-Type": media_type, "Origin": OWN_PAGE}
        return await self.caller.http.request(self.method, self.path, content=content, headers=headers)

    async def send_changed(self, field: str, value: object) -> httpx2.Response:
        """Send the valid body with another value in one field. Lone surrogates go out as their escapes."""
        return await self.send(_dumped({**self.valid, field: value}))


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


@pytest.fixture
async def routes(accounts: Accounts, runtime: Runtime) -> AsyncIterator[list[Route]]:
    """Every route that takes JSON. After the test, every row is what it was before: nothing was obeyed in part.

    The caller may do everything and is not the only administrator, so that every rule but the one tested is met.
    """
    await accounts.set_role(await accounts.register(), "admin")
    caller, target = await accounts.administrator(), await accounts.register(name="Bob")
    before = await everything_but_stories(runtime)
    yield [
        Route(
            f"{method} {path}",
            method,
            API + path.replace(SOMEBODY, target.id).format(provider="google", passkey_id=new_id()),
            valid,
            caller,
        )
        for (method, path), valid in VALID.items()
    ]
    assert await everything_but_stories(runtime) == before


async def test_every_route_that_takes_a_body_is_tested_here(app: FastAPI) -> None:
    """A new route with a body has to be added above, or to the sign-in's own tests."""
    taking = {
        (method.upper(), path.removeprefix(API))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    }
    assert taking == {*VALID, ("POST", "/auth/login")}


async def test_what_is_no_json_is_refused(routes: list[Route]) -> None:
    """S28, 3.2-03, 3.9-03, PD-01, PD-02: never an accident, never an echo, and no row changes."""
    for route, (name, content) in product(routes, NOT_JSON.items()):
        response = await route.send(content)
        # No body at all is a missing one; everything else cannot be read.
        assert response.status_code == (422 if content == b"" else 400), (route.name, name)
        checked_problem(response)
        check_nothing_repeated(response)


async def test_what_is_no_object_of_ours_is_refused(routes: list[Route]) -> None:
    """S22, S28, 3.8-01, 3.9-03, PD-02."""
    for route, (name, content) in product(routes, NOT_AN_OBJECT.items()):
        response = await route.send(content)
        assert response.status_code == 422, (route.name, name)
        checked_problem(response)
        check_nothing_repeated(response)


async def test_a_field_of_the_wrong_type_is_refused(routes: list[Route]) -> None:
    """S28, S87, PD-02: nothing is turned into a text, and the value does not come back."""
    for route in routes:
        for field, value in product(route.valid, NOT_A_TEXT):
            if field == TAKES_ANY_OBJECT and isinstance(value, dict):
                continue
            response = await route.send_changed(field, value)
            assert response.status_code == 422, (route.name, field, value)
            checked_problem(response)
            check_nothing_repeated(response)


async def test_a_field_of_a_body_with_several_forms_is_named_as_it_was_sent(routes: list[Route]) -> None:
    """PD-01: the form that `method` chooses is no part of where a field stands."""
    wrong: dict[str, list[tuple[dict[str, Any], str]]] = {
        "POST /auth/reauthenticate": [
            ({"password": 5}, "/password"),
            ({"method": "totp", "code": 5}, "/code"),
            ({"method": "passkey", "ceremony": "x"}, "/credential"),
            ({"method": "no such"}, "/method"),
            ({"method": 7}, "/method"),
        ],
        "POST /auth/second-factor": [
            ({"method": "totp", "code": "1", "remember_device": "x"}, "/remember_device"),
            ({"method": "password"}, "/password"),
            ({}, "/method"),
            ({"method": CANARY}, "/method"),
        ],
    }
    for route in routes:
        for body, pointer in wrong.get(route.name, []):
            answer = problem_of(await route.send(_dumped(body)), 422, "VALIDATION_FAILED")
            assert [error["pointer"] for error in answer["errors"]] == [pointer], (route.name, body)
            check_nothing_repeated(await route.send(_dumped(body)))


async def test_a_text_of_strange_characters_is_refused(routes: list[Route]) -> None:
    """S28, S40, 3.2-03: NUL, lone surrogates, escapes and endless texts end in a refusal, on both databases."""
    for route in routes:
        for field, text in product(route.valid, STRANGE_TEXTS):
            response = await route.send_changed(field, text)
            assert response.status_code in {400, 401, 403, 409, 422}, (route.name, field, ascii(text))
            checked_problem(response)
            check_nothing_repeated(response)


async def test_a_body_larger_than_the_limit_is_refused(routes: list[Route]) -> None:
    """S26, S86, 3.2-05, 3.9-03: announced by its length, however deep it is."""
    large = (b'{"password": "%s"}' % (b"a" * 70_000), b"[" * 100_000 + b"]" * 100_000, b" " * 2_000_000)
    for route, content in product(routes, large):
        problem_of(await route.send(content), 413, "BODY_TOO_LARGE")


async def test_a_body_that_grows_past_the_limit_is_refused(routes: list[Route]) -> None:
    """S86, 3.9-03: one that does not say how large it is going to be."""

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"password": "'
        for _ in range(100):
            yield b"a" * 1000

    for route in routes:
        problem = problem_of(await route.send(endless()), 413, "BODY_TOO_LARGE")
        assert problem["detail"] == problem["title"]


async def test_a_body_in_another_content_type_is_refused(routes: list[Route]) -> None:
    """3.2-06: JSON under the name of a type that any web page may send is not read."""
    types = ["text/plain", "", "text/json", "application/xml", FORM, "multipart/form-data; boundary=x", "json", "\t"]
    types += ["application/jsonx", "text/plain; application/json", "x/" + "y" * 5000, "application/octet-stream"]
    for route, media_type in product(routes, types):
        response = await route.send(_dumped(route.valid), media_type)
        problem_of(response, 415, "UNSUPPORTED_MEDIA_TYPE")
        check_nothing_repeated(response, PASSWORD)
