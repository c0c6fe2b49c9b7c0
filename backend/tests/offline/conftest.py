"""The provider on a socket, and people with browsers, for every test in this folder."""

from tests.browser import browsers
from tests.providers import google, other_provider, provider_keys, provider_sites, visitor

__all__ = ["browsers", "google", "other_provider", "provider_keys", "provider_sites", "visitor"]
