"""The provider on a socket, and people with browsers, for every test in this folder."""

from collections.abc import AsyncIterator

import pytest

from app.offline.testing import KeyPairs, RunningProvider, Site, Visitor, http_client
from app.offline.testing.fixtures import provider_keys, provider_sites
from tests.browser import browsers
from tests.offline.flows import CLIENT

__all__ = ["browsers", "provider_keys", "provider_sites"]


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
