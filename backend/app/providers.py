"""The identity providers of this installation, made of its settings."""

from collections.abc import Sequence

from app.auth.google import google_provider
from app.auth.oidc.provider import Provider
from app.config import ConfigurationError, Settings
from app.offline.clients import CLIENT_ID, development_client, issuer_of
from app.provider_settings import OidcProviderSetting
from app.this_machine import is_on_this_machine_only


def configured_providers(settings: Settings) -> Sequence[Provider]:
    """Return every provider that people may sign in with. Google comes first, where there is one.

    Raises `ConfigurationError` for the offline provider's client in production, where anybody could be anybody.
    """
    google = _offline_google(settings) if is_google_offline(settings) else _google(settings)
    return [*google, *map(_further, settings.OIDC_PROVIDERS)]


def is_google_offline(settings: Settings) -> bool:
    """Whether this server itself plays Google: in development, unless Google is set or others can reach the server."""
    return not settings.is_production and not settings.GOOGLE_CLIENT_ID and is_on_this_machine_only(settings)


def _offline_google(settings: Settings) -> list[Provider]:
    client = development_client(settings)
    return [
        google_provider(
            client_id=client.client_id,
            client_secret=client.client_secret,
            other_client_ids=settings.GOOGLE_OTHER_CLIENT_IDS,
            hosted_domain=settings.GOOGLE_HOSTED_DOMAIN,
            issuer=issuer_of(settings),
        )
    ]


def _google(settings: Settings) -> list[Provider]:
    if settings.GOOGLE_CLIENT_ID == CLIENT_ID:
        raise ConfigurationError(
            ["GOOGLE_CLIENT_ID: is the offline provider's, which lets anybody be anybody. Register a client at Google"]
        )
    if not settings.GOOGLE_CLIENT_ID:
        return []
    return [
        google_provider(
            client_id=settings.GOOGLE_CLIENT_ID,
            client_secret=settings.GOOGLE_CLIENT_SECRET.get_secret_value(),
            other_client_ids=settings.GOOGLE_OTHER_CLIENT_IDS,
            hosted_domain=settings.GOOGLE_HOSTED_DOMAIN,
            issuer=settings.GOOGLE_ISSUER,
        )
    ]


def _further(entry: OidcProviderSetting) -> Provider:
    return Provider(
        name=entry.name,
        issuers=(entry.issuer,),
        client_id=entry.client_id,
        client_secret=entry.client_secret.get_secret_value(),
        audiences=(entry.client_id,),
        scopes=tuple(entry.scopes),
        domains=tuple(entry.domains),
    )
