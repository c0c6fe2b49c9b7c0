"""Signs people in through providers as a browser does: it keeps cookies, follows redirects, and says which page asks.

The application is called in process, the provider over its socket. The test client's own jar is of no use here: it
sends no `Secure` cookie over http.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from app.offline.testing import ADA, Person, Visitor
from tests.accounts import API
from tests.conftest import BASE_URL
from tests.cookies import OWN_PAGE, set_cookies

FRONT_END = "http://localhost:3000"
FLOW = "__Host-ostiary-flow-"
PROOF = "__Host-ostiary-code"
SESSION = "__Host-ostiary"
VERIFIER = "the-front-end-keeps-this-in-its-tab-and-in-no-address"
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
"""What a browser says of a redirect that the provider began."""


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def parameters_of(url: str) -> dict[str, str]:
    """Return query and fragment of an address; each name stands there once."""
    parts = urlsplit(url)
    pairs = [pair for part in (parts.query, parts.fragment) for pair in parse_qsl(part, keep_blank_values=True)]
    assert len(dict(pairs)) == len(pairs), url
    return dict(pairs)


def with_parameters(url: str, **changes: str | None) -> str:
    """Return an address with other parameters; None takes one away."""
    changed = {**parameters_of(url), **changes}
    query = urlencode({name: value for name, value in changed.items() if value is not None})
    return urlsplit(url)._replace(query=query).geturl()


@dataclass
class Browser:
    """One browser in front of this server. `visitor` is the same one in front of providers."""

    http: httpx2.AsyncClient
    visitor: Visitor
    jar: dict[str, str] = field(default_factory=dict)
    page: Mapping[str, str] = field(default_factory=lambda: OWN_PAGE)

    @property
    def flows(self) -> list[str]:
        """The names of the flow cookies."""
        return [name for name in self.jar if name.startswith(FLOW)]

    async def open(self, url: str, **headers: str) -> httpx2.Response:
        """Go to an address of this server, as a link or a redirect does."""
        return await self.send("GET", url, {**NAVIGATION, **headers})

    async def post(self, path: str, body: object = None, **headers: str) -> httpx2.Response:
        """Call a route below the API prefix from a page."""
        return await self.send("POST", f"{BASE_URL}{API}{path}", {**self.page, **headers}, json=body)

    async def send(self, method: str, url: str, headers: Mapping[str, str], **kwargs: Any) -> httpx2.Response:
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}
        response = await self.http.request(method, url, headers={**headers, **cookies}, **kwargs)
        for cookie in set_cookies(response):
            assert cookie.attributes.keys() >= {"Secure", "HttpOnly"}
            assert (cookie.attributes["Path"], cookie.attributes["SameSite"]) == ("/", "Lax")
            if cookie.attributes["Max-Age"] == "0":
                self.jar.pop(cookie.name, None)
            else:
                self.jar[cookie.name] = cookie.value
        return response

    async def begin(self, provider: str = "google", **query: str) -> str:
        """Begin a sign-in by redirect and return where the provider is asked."""
        response = await self.open(f"{BASE_URL}{API}/auth/{provider}/login?{urlencode(query)}")
        return landing_of(response)

    async def come_back(self, person: Person = ADA, provider: str = "google", **query: str) -> str:
        """Begin, sign in at the provider, and return the callback's address with the answer; it is not opened yet."""
        return await self.visitor.sign_in(await self.begin(provider, **query), person)

    async def land(self, person: Person = ADA, provider: str = "google", **query: str) -> str:
        """Go through a sign-in by redirect and return where the browser ends up."""
        return landing_of(await self.open(await self.come_back(person, provider, **query)))

    async def exchange(self, landing: str, **further: str) -> httpx2.Response:
        """Trade the code of a landing for tokens."""
        return await self.post("/auth/exchange", {"code": parameters_of(landing)["code"], **further})

    async def sign_in(self, person: Person = ADA, provider: str = "google", **query: str) -> dict[str, Any]:
        """Sign in by redirect, and return the tokens. `fresh="true"` makes it a fresh proof."""
        response = await self.exchange(await self.land(person, provider, **query))
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    def copy(self) -> "Browser":
        """Return another browser with the same cookies: this one before its next answer."""
        return Browser(self.http, self.visitor, dict(self.jar), self.page)


def landing_of(response: httpx2.Response) -> str:
    """Return where the callback sends the browser. Nothing is left of a fragment that the browser came with."""
    assert response.status_code == 303, response.text
    location: str = response.headers["location"]
    assert "#" in location
    return location.removesuffix("#")


def error_of(response: httpx2.Response) -> str:
    """Return the code with which the callback sends the browser back, and nothing else."""
    parameters = parameters_of(landing_of(response))
    assert parameters.keys() == {"error"}, parameters
    return parameters["error"]


def bearer(tokens: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}
