"""Our side of OpenID Connect against a certified provider: what we ask, it answers; what it answers, we read."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from playwright.async_api import expect

from app.auth.oidc.authorization import ProviderRefused, authorization_code, authorization_url
from app.auth.oidc.flow import Flow, new_flow
from app.auth.oidc.id_token import Identity, read_id_token, with_userinfo
from app.auth.oidc.provider import Provider, ProviderMetadata
from app.auth.transports import Transport
from app.services.federation.documents import ProviderDocuments
from app.services.federation.exchange import CodeGrant, exchange_code, fetch_userinfo
from app.services.federation.outbound import Outbound
from tests.browser import Browsers
from tests.journeys.server import NO_TLS, free_port
from tests.peer_provider import CLIENT_ID, REDIRECT_URI, PeerProvider, running_peer
from tests.peers import packages


@dataclass(frozen=True)
class Visit:
    """One sign-in through the provider, by the same functions that the application calls."""

    provider: Provider
    metadata: ProviderMetadata
    flow: Flow
    documents: ProviderDocuments
    outbound: Outbound

    def address(self, redirect_uri: str = REDIRECT_URI) -> str:
        return authorization_url(self.metadata, self.provider, self.flow, redirect_uri)

    def code_in(self, callback: str) -> str:
        answer = parse_qsl(urlsplit(callback).query, strict_parsing=True)
        return authorization_code(answer, flow=self.flow, provider=self.provider, metadata=self.metadata)

    async def exchange(self, code: str) -> tuple[Identity, str]:
        """Return who came, by the ID token alone, and an access token."""
        grant = CodeGrant(code, self.flow.verifier, REDIRECT_URI)
        tokens = await exchange_code(self.outbound, self.metadata, self.provider, grant)
        identity = read_id_token(
            tokens.id_token,
            provider=self.provider,
            audiences=self.provider.audiences,
            keys=await self.documents.keys(self.provider),
            nonce=self.flow.nonce,
            access_token=tokens.access_token,
            now=datetime.now(UTC),
        )
        return identity, tokens.access_token

    async def userinfo(self, access_token: str, subject: str) -> Mapping[str, Any]:
        return await fetch_userinfo(
            self.outbound, self.metadata, self.provider, access_token=access_token, subject=subject
        )


@pytest.fixture
async def documents() -> AsyncIterator[tuple[Outbound, ProviderDocuments]]:
    outbound = Outbound(allow_loopback_http=True)
    held = ProviderDocuments(outbound)
    yield outbound, held
    await held.close()
    await outbound.close()


async def begin(peer: PeerProvider, documents: tuple[Outbound, ProviderDocuments]) -> Visit:
    outbound, held = documents
    provider = peer.as_configured()
    flow = new_flow(
        provider.name, return_to="http://127.0.0.1:3000/", transport=Transport.BEARER, now=datetime.now(UTC)
    )
    return Visit(provider, await held.metadata(provider), flow, held, outbound)


@pytest.fixture
async def visit(peer_provider: PeerProvider, documents: tuple[Outbound, ProviderDocuments]) -> Visit:
    return await begin(peer_provider, documents)


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, verify=NO_TLS) as client:
        yield client


async def test_its_discovery_document_and_keys_are_read(peer_provider: PeerProvider, visit: Visit) -> None:
    """OA-05: it names itself in its answers, and we take notice."""
    assert visit.metadata.issuer == peer_provider.issuer
    assert "RS256" in visit.metadata.algorithms
    assert visit.metadata.issuer_in_response
    assert visit.metadata.userinfo_endpoint is not None
    assert len(await visit.documents.keys(visit.provider)) == 1


@pytest.mark.parametrize(("login", "verified"), [("ada", True), ("mallory", False)])
async def test_a_sign_in_says_who_came(
    peer_provider: PeerProvider, visit: Visit, http: httpx2.AsyncClient, login: str, *, verified: bool
) -> None:
    """OA-01, OA-05, ID-01, ID-02, ID-04, ID-05: our reading of the standards agrees with somebody else's."""
    code = visit.code_in(await peer_provider.sign_in(http, visit.address(), login))
    identity, access_token = await visit.exchange(code)
    assert identity.email is None
    known = with_userinfo(identity, await visit.userinfo(access_token, identity.subject))
    assert (known.issuer, known.subject) == (peer_provider.issuer, login)
    assert (known.email, known.email_verified) == ("ada@example.com", verified)


async def test_who_cancels_there_is_not_signed_in_here(
    peer_provider: PeerProvider, visit: Visit, http: httpx2.AsyncClient
) -> None:
    callback = await peer_provider.sign_in(http, visit.address(), "ada", answer="no")
    with pytest.raises(ProviderRefused, match="access_denied"):
        visit.code_in(callback)


async def test_it_insists_on_pkce(visit: Visit, http: httpx2.AsyncClient) -> None:
    """OA-01: a question without a challenge is refused, so the sign-in above has proved that we send one."""
    question = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "response_type": "code", "scope": "openid"}
    answer = await http.get(visit.metadata.authorization_endpoint, params=question)
    assert "error=invalid_request" in answer.headers["location"]
    assert "PKCE" in answer.headers["location"]


async def test_its_page_works_in_a_browser(documents: tuple[Outbound, ProviderDocuments], browsers: Browsers) -> None:
    redirect_uri = f"http://127.0.0.1:{free_port()}/callback"
    with running_peer(redirect_uri) as peer:
        visit = await begin(peer, documents)
        page = await browsers.open()
        async with page.expect_request(lambda request: request.url.startswith(redirect_uri)) as callback:
            await page.goto(visit.address(redirect_uri))
            await expect(page.get_by_label("Who are you?")).to_be_focused()
            await page.keyboard.type("ada")
            await page.keyboard.press("Enter")
        assert visit.code_in((await callback.value).url)
    # Nobody listens where the browser was sent to; the pages before were all right.
    assert all(redirect_uri in complaint for complaint in browsers.take_complaints())


def test_its_packages_are_pinned_and_hashed_and_name_no_registry() -> None:
    """V15.2.1, V15.2.4, S95: as the Python packages are."""
    entries = json.loads(packages.LOCK.read_text(encoding="utf-8"))["packages"]
    assert entries.pop("")["dependencies"].keys() == {"oidc-provider"}
    assert len(entries) > 10
    for name, entry in entries.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name
        assert not entry.get("hasInstallScript"), name
