"""A pytest plugin: `pytest_plugins = ["app.offline.testing.fixtures"]` in a conftest.py brings the provider as fixtures.

None of them is asynchronous, so that they serve anyio's tests, pytest-asyncio's, and those that are neither.
"""

from collections.abc import Iterator

import pytest

from app.offline.testing import KeyPairs, RunningProvider, Site, site


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
    """A provider that plays Google, and has met nobody yet."""
    return provider_sites[0].open(keys=provider_keys)


@pytest.fixture
def other_provider(provider_sites: tuple[Site, Site], provider_keys: KeyPairs) -> RunningProvider:
    """A second provider with an issuer of its own, for an entry of OIDC_PROVIDERS."""
    return provider_sites[1].open(keys=provider_keys, name="The other one")
