"""People who sign in with the offline provider without a browser, and what its pages tell them."""

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from fastapi import FastAPI

from app.offline.people import Person

ADA = Person(email="ada@example.com", name="Ada Lovelace", hosted_domain="example.com")
"""Of an organisation whose mailboxes Google hands out."""

# To load the certificates of the machine for each client takes longer than most tests.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser that keeps cookies and knows no scripts."""

    http: httpx2.AsyncClient

    async def come_in(self, link: str, person: Person = ADA, *, decision: str = "allow") -> str:
        """Follow a sign-in link of the application through the provider as this person, and back.

        Return where the application sends the browser at last: `return_to`, perhaps with `?error=` or `#code=`. Raises
        `AssertionError`, with the answer, when it sends it nowhere.
        """
        callback = await self.sign_in(_location(await self.http.get(link)), person, decision=decision)
        # An empty fragment is there to drop the one that the browser came with.
        return _location(await self.http.get(callback)).removesuffix("#")

    async def sign_in(self, address: str, person: Person = ADA, *, decision: str = "allow") -> str:
        """Go through an authorisation request as this person, and return the address that the browser ends up at."""
        page = await self.http.get(address)
        if page.is_redirect:
            return _location(page)
        answer = await self.be(page, person)
        return sent_to(await self.decide(answer, decision) if "/authorize/consent" in answer.text else answer)

    async def be(self, page: httpx2.Response, person: Person, **changes: str) -> httpx2.Response:
        """Fill in the form for somebody new."""
        form = {"request": request_of(page), "email": person.email, "name": person.name, "hosted_domain": ""}
        if person.hosted_domain is not None:
            form["hosted_domain"] = person.hosted_domain
        if person.email_verified:
            form["email_verified"] = "yes"
        return await self.http.post(sibling(page, "authorize/person"), data={**form, **changes})

    async def decide(self, page: httpx2.Response, decision: str) -> httpx2.Response:
        """Answer the question for consent: `allow` or `deny`."""
        form = {"request": request_of(page), "decision": decision}
        return await self.http.post(sibling(page, "authorize/consent"), data=form)


@asynccontextmanager
async def visiting(app: FastAPI) -> AsyncIterator[Visitor]:
    """Somebody whose browser reaches this application in this process, and providers on their sockets.

    Paths alone are the application's. Raises `ValueError` when its PUBLIC_URL is not https: our cookies are `Secure`.
    """
    public_url: str = app.state.runtime.settings.PUBLIC_URL
    if not public_url.startswith("https://"):
        raise ValueError(f"PUBLIC_URL is {public_url}. In tests take https://…, or the browser sends no cookie back")
    mounts = {public_url: httpx2.ASGITransport(app)}
    async with http_client(base_url=public_url, mounts=mounts) as http:
        yield Visitor(http)


def http_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client for real sockets that follows no redirect. It trusts no certificate: providers here speak http."""
    return httpx2.AsyncClient(trust_env=False, timeout=20, verify=_NO_TLS, **options)


def request_of(page: httpx2.Response) -> str:
    """Return the hidden value that the forms of a page carry. Raises `AssertionError`, with the page, if it has none."""
    return _found(page, r'name="request" value="([^"]+)"')


def sibling(page: httpx2.Response, path: str) -> str:
    """Return the address of another endpoint of the provider that showed a page."""
    return f"{str(page.url).partition('/authorize')[0]}/{path}"


def sent_to(page: httpx2.Response) -> str:
    """Return where the provider's last page sends the browser. Raises `AssertionError` if it sends it nowhere."""
    return _found(page, r'<meta http-equiv="refresh" content="0; url=([^"]+)">')


def answer_in(address: str) -> dict[str, str]:
    """Return the parameters of the address at which an application is answered.

    Raises `AssertionError` if one stands there twice.
    """
    parameters = parse_qs(urlsplit(address).query, strict_parsing=True)
    if any(len(values) != 1 for values in parameters.values()):
        raise AssertionError(address)
    return {name: values[0] for name, values in parameters.items()}


def _location(response: httpx2.Response) -> str:
    if not response.is_redirect:
        raise AssertionError(f"No redirect: {response.status_code} {response.text}")
    location: str = response.headers["location"]
    return location


def _found(page: httpx2.Response, pattern: str) -> str:
    found = re.search(pattern, page.text)
    if found is None:
        raise AssertionError(f"Another page than expected: {page.status_code} {page.text}")
    return unescape(found[1])
