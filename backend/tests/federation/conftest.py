"""The application with two providers on sockets: one plays Google, the other is called `acme`."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.config import Settings
from app.offline.testing import RunningProvider, Visitor, http_client
from app.offline.testing.fixtures import google, other_provider, provider_keys, provider_sites
from tests.conftest import BASE_URL, settings_for
from tests.federation.browsers import Browser

__all__ = ["google", "other_provider", "provider_keys", "provider_sites"]


@pytest.fixture
def settings(
    database_url: str, request: pytest.FixtureRequest, google: RunningProvider, other_provider: RunningProvider
) -> Settings:
    """Settings with both providers; `@pytest.mark.settings(NAME=value)` changes some."""
    marker = request.node.get_closest_marker("settings")
    providers = {**google.settings(BASE_URL), "OIDC_PROVIDERS": [other_provider.entry("acme", BASE_URL)]}
    return settings_for(database_url, **{**providers, **(marker.kwargs if marker else {})})


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    async with http_client() as http:
        yield Visitor(http)


@pytest.fixture
def browser(client: httpx2.AsyncClient, visitor: Visitor) -> Browser:
    return Browser(client, visitor)


@pytest.fixture
async def second_browser(client: httpx2.AsyncClient) -> AsyncIterator[Browser]:
    """Another browser: that of an attacker, or of the same person at another place."""
    async with http_client() as http:
        yield Browser(client, Visitor(http))
