"""The application with two providers on sockets: one plays Google, the other is called `acme`."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.config import Settings
from tests.conftest import settings_for
from tests.federation.browsers import Browser, google_settings, provider_entry
from tests.providers import (
    RunningProvider,
    Visitor,
    google,
    http_client,
    other_provider,
    provider_keys,
    provider_sites,
    visitor,
)

__all__ = ["google", "other_provider", "provider_keys", "provider_sites", "visitor"]


@pytest.fixture
def settings(
    database_url: str, request: pytest.FixtureRequest, google: RunningProvider, other_provider: RunningProvider
) -> Settings:
    """Settings with both providers; `@pytest.mark.settings(NAME=value)` changes some."""
    marker = request.node.get_closest_marker("settings")
    entries = [provider_entry("acme", other_provider)]
    return settings_for(
        database_url, **{**google_settings(google), "OIDC_PROVIDERS": entries, **(marker.kwargs if marker else {})}
    )


@pytest.fixture
def browser(client: httpx2.AsyncClient, visitor: Visitor) -> Browser:
    return Browser(client, visitor)


@pytest.fixture
async def second_browser(client: httpx2.AsyncClient) -> AsyncIterator[Browser]:
    """Another browser: that of an attacker, or of the same person at another place."""
    async with http_client() as http:
        yield Browser(client, Visitor(http))
