"""A browser that carries its session in a cookie: keeps the value, sends it by itself, says which page makes a request.

The test client's own jar is of no use here: it sends no `Secure` cookie over http.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from app.auth.keys import derive_key
from app.auth.tokens import CookieToken, decode_cookie_token
from app.config import Settings
from app.runtime import Runtime
from tests.accounts import API, Person
from tests.conftest import BASE_URL

NAME = "__Host-ostiary"
"""Spelt out, so that a change of the application's own constant is seen (CK-05)."""
OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": BASE_URL}
FOREIGN_PAGE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class SetCookie:
    """One Set-Cookie header, taken apart. Attributes without a value, such as `Secure`, have None."""

    name: str
    value: str
    attributes: Mapping[str, str | None]


@dataclass
class Browser:
    """One browser, whose pages come from this server unless `page` says otherwise."""

    http: httpx2.AsyncClient
    cookie: str = ""
    page: Mapping[str, str] = field(default_factory=lambda: OWN_PAGE)

    async def sign_in(self, person: Person, *, password: str | None = None) -> httpx2.Response:
        """Sign in with the form, over whatever session the browser has already."""
        form = {"username": person.email, "password": password or person.password}
        return await self.call("POST", "/auth/login?transport=cookie", data=form)

    async def get(self, path: str) -> httpx2.Response:
        return await self.call("GET", path)

    async def post(self, path: str, body: object = None) -> httpx2.Response:
        return await self.call("POST", path, **({} if body is None else {"json": body}))

    async def call(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        """Call a route below the API prefix, and do with the cookie of the answer what a browser does."""
        cookie = {"Cookie": f"{NAME}={self.cookie}"} if self.cookie else {}
        response = await self.http.request(method, API + path, headers={**self.page, **cookie}, **kwargs)
        for header in set_cookies(response):
            assert header.name == NAME
            self.cookie = "" if header.attributes["Max-Age"] == "0" else header.value
        return response

    def copy(self) -> "Browser":
        """Return another browser with the same cookie: that of a thief, or this one before its next answer."""
        return Browser(self.http, self.cookie, self.page)


async def signed_in(person: Person) -> Browser:
    """Return a fresh browser in which somebody has just signed in."""
    browser = Browser(person.http)
    response = await browser.sign_in(person)
    assert response.status_code == 200, response.text
    assert browser.cookie
    return browser


def set_cookies(response: httpx2.Response) -> list[SetCookie]:
    """Return every Set-Cookie header of an answer."""
    return [_parsed(header) for header in response.headers.get_list("set-cookie")]


def cookie_key(settings: Settings) -> bytes:
    return derive_key(settings.SECRET_KEY.get_secret_value(), "session-cookie")


def cookie_content(settings: Settings, value: str) -> CookieToken:
    """Return what a genuine cookie carries: the id of its session, and the secret."""
    return decode_cookie_token(value, cookie_key(settings))


def id_of(runtime: Runtime, browser: Browser) -> UUID:
    """Return the id of the session in a browser."""
    return cookie_content(runtime.settings, browser.cookie).session_id


async def send_raw(
    http: httpx2.AsyncClient, *cookies: bytes, method: str = "GET", path: str = "/auth/me", further: Headers = ()
) -> httpx2.Response:
    """Call with these Cookie headers byte for byte, from a page of this server."""
    page = [(name.encode(), value.encode()) for name, value in OWN_PAGE.items()]
    return await http.request(method, API + path, headers=[*page, *((b"cookie", c) for c in cookies), *further])


def _parsed(header: str) -> SetCookie:
    pair, *rest = header.split("; ")
    name, _, value = pair.partition("=")
    attributes = {key: content if sign else None for key, sign, content in (part.partition("=") for part in rest)}
    assert len(attributes) == len(rest), f"an attribute stands there twice: {header}"
    return SetCookie(name, value, attributes)
