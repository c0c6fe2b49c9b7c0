"""Runs the offline provider in a thread, on a free port of this machine, and makes applications known to it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.config import API_PREFIX
from app.offline.application import create_offline_provider
from app.offline.clients import Client
from app.offline.faults import Faults
from app.offline.id_tokens import Statement
from app.offline.key_pairs import KeyPairs
from app.offline.people import Person
from app.offline.provider import OfflineProvider

CLIENT_ID = "ostiary"
"""What the application under test is called at the provider."""
CLIENT_SECRET = "what the provider knows the application under test by"
_FRONTEND_URL = "http://localhost:3000"
_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class RunningProvider:
    """A provider that answers on a socket: who it is, what it remembers, and its faults, to be switched at any time."""

    issuer: str
    provider: OfflineProvider = field(repr=False)

    @property
    def faults(self) -> Faults:
        """What the provider gets wrong at present."""
        return self.provider.faults

    def settings(self, public_url: str, frontend_url: str = _FRONTEND_URL) -> dict[str, str]:
        """Make the application at `public_url` known, and return the settings with which it takes this provider for Google.

        Both URLs as in the application's own settings of these names.
        """
        self._register("google", public_url, page=f"{frontend_url}/auth/callback", origins=(public_url, frontend_url))
        return {"GOOGLE_CLIENT_ID": CLIENT_ID, "GOOGLE_CLIENT_SECRET": CLIENT_SECRET, "GOOGLE_ISSUER": self.issuer}

    def entry(self, name: str, public_url: str, frontend_url: str = _FRONTEND_URL) -> dict[str, str]:
        """Make the application known, and return the entry of OIDC_PROVIDERS by which it calls this provider so."""
        page = f"{frontend_url}/auth/callback/{name}"
        self._register(name, public_url, page=page, origins=(public_url, frontend_url))
        return {"name": name, "issuer": self.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    async def id_token(self, person: Person, *, nonce: str, client_id: str = CLIENT_ID) -> str:
        """Return the `credential` that One Tap, or the SDK of an app, hands over for this person: an ID token.

        The faults that are switched on are in it.
        """
        scopes = ("openid", "email", "profile")
        statement = Statement(person=person, client_id=client_id, scopes=scopes, nonce=nonce)
        return await self.provider.id_tokens.sign(statement, now=datetime.now(UTC))

    def register(self, client: Client) -> Client:
        """Make an application known, or known better, while the provider runs."""
        self.provider.clients[client.client_id] = client
        return client

    def allow(self, client_id: str, redirect_uri: str) -> None:
        """Register one more address where answers may go."""
        client = self.provider.clients[client_id]
        self.register(replace(client, redirect_uris=(*client.redirect_uris, redirect_uri)))

    def _register(self, name: str, public_url: str, *, page: str, origins: tuple[str, ...]) -> None:
        known = self.provider.clients.get(CLIENT_ID, Client(CLIENT_ID, CLIENT_SECRET, redirect_uris=()))
        callback = f"{public_url}{API_PREFIX}/auth/{name}/callback"
        self.register(replace(known, redirect_uris=(*known.redirect_uris, callback, page), origins=origins))


@dataclass
class Site:
    """A socket, and the provider that stands behind it at present: another one for each test, the socket stays."""

    issuer: str
    app: FastAPI = field(default_factory=FastAPI)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the provider that stands here now."""
        await self.app(scope, receive, send)

    def open(self, *clients: Client, keys: KeyPairs | None = None, name: str = "Google") -> RunningProvider:
        """Put a provider here that remembers nobody yet. To make key pairs takes a second: providers may share them."""
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
            thread.join(_PATIENCE_SECONDS)
            if thread.is_alive():
                raise TimeoutError(f"The server at {served.issuer} does not end")


@contextmanager
def running_provider(*clients: Client, keys: KeyPairs | None = None, name: str = "Google") -> Iterator[RunningProvider]:
    """Serve a provider on a socket of its own for the length of a block."""
    with site() as served:
        yield served.open(*clients, keys=keys, name=name)
