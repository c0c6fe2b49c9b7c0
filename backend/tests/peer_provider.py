"""A certified OpenID provider that nobody here wrote (npm `oidc-provider`), to sign in at by forms or in a browser.

    async def test_ada_signs_in(peer_provider: PeerProvider, http: httpx2.AsyncClient) -> None:
        provider = peer_provider.as_configured()               # As the settings would name it.
        address = authorization_url(metadata, provider, flow, REDIRECT_URI)
        callback = await peer_provider.sign_in(http, address, "ada")

Its people are `PEOPLE`: what one types at its sign-in page is their subject. In a real browser the page is: type, then
Enter; "Cancel" refuses. The fixture takes answers at `REDIRECT_URI`; a journey over a socket of its own chooses its port
first (`tests.journeys.server.free_port`) and starts `running_peer(redirect_uri)`. Like most providers in the wild, it puts
nothing about a person into the ID token: address and name come from the userinfo endpoint. PKCE is required, ID tokens
are signed with RS256, answers name their issuer, and the client authenticates by the Authorization header.
"""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.auth.oidc.provider import Provider
from tests.peers import packages

REDIRECT_URI = "http://127.0.0.1:8000/api/v1/auth/peer/callback"
CLIENT_ID = "ostiary: a client"
CLIENT_SECRET = "100% secret: with a + and a colon"
"""Both must travel in the form encoding inside the Authorization header (RFC 6749, section 2.3.1)."""
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"},
    "mallory": {"email": "ada@example.com", "email_verified": False, "name": "Ada Lovelace"},
    "nobody": {},
}
"""Ada; somebody who only says that Ada's address is theirs; and somebody of whom nothing is known."""
PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class PeerProvider:
    """A running provider."""

    issuer: str

    def as_configured(self, name: str = "peer") -> Provider:
        """Return it as an application is told of it by its settings."""
        return Provider(
            name=name,
            issuers=(self.issuer,),
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            audiences=(CLIENT_ID,),
        )

    async def sign_in(self, http: httpx2.AsyncClient, address: str, login: str, *, answer: str = "yes") -> str:
        """Go through an authorisation request without a script, and return the address that the browser ends up at.

        `http` keeps cookies and follows no redirects. `answer="no"` cancels.
        """
        page = await self._follow(http, await http.get(address))
        if page.is_redirect:
            return page.headers["location"]
        form = {"login": login, "answer": answer}
        last = await self._follow(http, await http.post(page.url, data=form))
        assert last.is_redirect, last.text
        return last.headers["location"]

    async def _follow(self, http: httpx2.AsyncClient, answer: httpx2.Response) -> httpx2.Response:
        """Follow redirects as long as they stay at the provider."""
        while answer.is_redirect and str(url := answer.url.join(answer.headers["location"])).startswith(self.issuer):
            answer = await http.get(url)
        return answer


@contextmanager
def running_peer(*redirect_uris: str) -> Iterator[PeerProvider]:
    """Start the provider, with one client that is answered at these addresses; it ends with the block."""
    packages.check_installed()
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": redirect_uris}
    command = [str(packages.NODE), str(packages.FOLDER / "provider.mjs"), json.dumps({**client, "people": PEOPLE})]
    with (
        tempfile.NamedTemporaryFile(prefix="ostiary-peer-", suffix=".log") as log,
        # The end of its input is its end, however this process comes to its own.
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield PeerProvider(_issuer(process, Path(log.name)))
        finally:
            process.kill()


def _issuer(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the provider says where it is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"^issuer: (\S+)$", log.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.02)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.fixture
def peer_provider() -> Iterator[PeerProvider]:
    """The provider, with a client that is answered at `REDIRECT_URI`."""
    with running_peer(REDIRECT_URI) as provider:
        yield provider
