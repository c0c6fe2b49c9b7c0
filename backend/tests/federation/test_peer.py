"""A certified provider that nobody here wrote, through the whole application: address and name come from userinfo."""

import httpx2
import pytest

from app.config import Settings
from app.models import Identity, User
from app.offline.testing import http_client
from app.runtime import Runtime
from tests.accounts import API
from tests.conftest import settings_for
from tests.federation.browsers import Browser, bearer, error_of
from tests.peer_provider import CLIENT_ID, CLIENT_SECRET, PeerProvider, peer_provider
from tests.rows import count, everything_but_spent_flows

__all__ = ["peer_provider"]


@pytest.fixture
def settings(database_url: str, peer_provider: PeerProvider) -> Settings:
    """Settings with this provider alone, over its own entry."""
    entry = {"name": "peer", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "issuer": peer_provider.issuer}
    return settings_for(database_url, OIDC_PROVIDERS=[entry])


async def callback_of(browser: Browser, provider: PeerProvider, login: str) -> httpx2.Response:
    """Begin a sign-in, go through it as this person, and open the callback."""
    question = await browser.begin("peer")
    async with http_client() as http:
        return await browser.open(await provider.sign_in(http, question, login))


async def test_people_of_a_certified_provider_sign_in(
    browser: Browser, peer_provider: PeerProvider, runtime: Runtime, client: httpx2.AsyncClient
) -> None:
    """OA-01, ID-01, ID-04, ID-05: and only those whose address it has verified."""
    landing = (await callback_of(browser, peer_provider, "ada")).headers["location"]
    response = await browser.exchange(landing)
    assert response.status_code == 200, response.text
    me = (await client.get(f"{API}/auth/me", headers=bearer(response.json()))).json()
    assert (me["email"], me["full_name"]) == ("ada@example.com", "Ada Lovelace")
    assert await count(runtime, Identity, Identity.issuer == peer_provider.issuer, Identity.subject == "ada") == 1
    before = await everything_but_spent_flows(runtime)
    for stranger in ("mallory", "nobody"):
        assert error_of(await callback_of(browser, peer_provider, stranger)) == "IDENTITY_REFUSED"
    assert await everything_but_spent_flows(runtime) == before
    assert await count(runtime, User) == 1
