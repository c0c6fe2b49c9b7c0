"""The offline provider on a socket of its own, several at once if need be, and somebody who signs in with it."""

import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.offline.application import create_offline_provider
from app.offline.clients import Client
from app.offline.faults import Faults
from app.offline.key_pairs import KeyPairs
from app.offline.people import Person
from app.offline.provider import OfflineProvider

ADA = Person(email="ada@example.com", name="Ada Lovelace", hosted_domain="example.com")
"""Of an organisation whose mailboxes Google hands out."""
REDIRECT_URI = "http://127.0.0.1:8000/api/v1/auth/google/callback"
CLIENT = Client(
    client_id="shop",
    client_secret="the secret of the shop",
    redirect_uris=(REDIRECT_URI,),
    name="The shop",
    origins=("http://localhost:3000",),
)

# To load the certificates of the machine for each client takes longer than most tests.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class RunningProvider:
    """A provider that answers on a socket: who it is, what it remembers, and its faults, to be switched at any time."""

    issuer: str
    provider: OfflineProvider = field(repr=False)

    @property
    def faults(self) -> Faults:
        return self.provider.faults

    def register(self, client: Client) -> Client:
        """Make an application known, or known better, while the provider runs."""
        self.provider.clients[client.client_id] = client
        return client

    def allow(self, client_id: str, redirect_uri: str) -> None:
        """Register one more address where answers may go."""
        client = self.provider.clients[client_id]
        self.register(replace(client, redirect_uris=(*client.redirect_uris, redirect_uri)))


@dataclass
class Site:
    """A socket, and the provider that stands behind it at present: another one for each test, the socket stays."""

    issuer: str
    app: FastAPI = field(default_factory=FastAPI)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def open(self, *clients: Client, keys: KeyPairs, name: str = "Google") -> RunningProvider:
        """Put a provider here that remembers nobody yet."""
        self.app = create_offline_provider(issuer=self.issuer, clients=clients, name=name, keys=keys)
        return RunningProvider(self.issuer, self.app.state.provider)


@contextmanager
def site() -> Iterator[Site]:
    """Serve from a thread, on a free port of the loopback interface, for the length of a block."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        # Whoever connects from here on waits in the queue until the server takes over.
        listening.listen(64)
        served = Site(f"http://127.0.0.1:{listening.getsockname()[1]}")
        config = uvicorn.Config(served, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            # A slow answer that nobody waits for any more must not hold up the end.
            server.should_exit = server.force_exit = True
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def running_provider(*clients: Client, keys: KeyPairs, name: str = "Google") -> Iterator[RunningProvider]:
    """Serve a provider on a socket of its own for the length of a block."""
    with site() as served:
        yield served.open(*clients, keys=keys, name=name)


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser that keeps cookies and knows no scripts."""

    http: httpx2.AsyncClient

    async def sign_in(self, address: str, person: Person = ADA, *, decision: str = "allow") -> str:
        """Go through an authorisation request as this person, and return the address that the browser ends up at."""
        page = await self.http.get(address)
        if page.is_redirect:
            return page.headers["location"]
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


def request_of(page: httpx2.Response) -> str:
    """Return the hidden value that the forms of a page carry."""
    found = re.search(r'name="request" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def sibling(page: httpx2.Response, path: str) -> str:
    """Return the address of another endpoint of the provider that showed a page."""
    return f"{str(page.url).partition('/authorize')[0]}/{path}"


def sent_to(page: httpx2.Response) -> str:
    """Return where the provider's last page sends the browser."""
    found = re.search(r'<meta http-equiv="refresh" content="0; url=([^"]+)">', page.text)
    assert found, page.text
    return unescape(found[1])


def answer_in(address: str) -> dict[str, str]:
    """Return the parameters of the address at which an application is answered; each stands there once."""
    parameters = parse_qs(urlsplit(address).query, strict_parsing=True)
    assert all(len(values) == 1 for values in parameters.values()), address
    return {name: values[0] for name, values in parameters.items()}


def http_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client for real sockets that follows no redirect. It trusts no certificate: providers here speak http."""
    return httpx2.AsyncClient(trust_env=False, timeout=20, verify=_NO_TLS, **options)


@pytest.fixture(scope="session")
def provider_keys() -> KeyPairs:
    """The key pairs of all providers: an RSA key takes a second to make, and a strict reader needs no other one."""
    return KeyPairs()


@pytest.fixture(scope="session")
def provider_sites() -> Iterator[tuple[Site, Site]]:
    """Two sockets for providers. They stay open, because to open and to close one takes longer than most tests."""
    with site() as first, site() as second:
        yield first, second


@pytest.fixture
def google(provider_sites: tuple[Site, Site], provider_keys: KeyPairs) -> RunningProvider:
    """A provider that plays Google, with one client."""
    return provider_sites[0].open(CLIENT, keys=provider_keys)


@pytest.fixture
def other_provider(provider_sites: tuple[Site, Site], provider_keys: KeyPairs) -> RunningProvider:
    """A second provider with an issuer of its own, and the same client."""
    return provider_sites[1].open(CLIENT, keys=provider_keys, name="The other one")


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    async with http_client() as http:
        yield Visitor(http)
