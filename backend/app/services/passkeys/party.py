"""For whom passkeys are made, and which pages may use them: worked out of the settings."""

from urllib.parse import urlsplit

from app.auth.passkeys.values import RelyingParty
from app.config import Settings
from app.plausibility import host_of
from app.provider_settings import LOOPBACK_HOSTS
from app.second_factor_settings import LOCALHOST, is_within, own_domain


def relying_party(settings: Settings) -> RelyingParty:
    """Return the relying party of an installation.

    Browsers take no network address for one. On this machine it is `localhost`, also where PUBLIC_URL says 127.0.0.1.
    """
    rp_id = settings.PASSKEY_RP_ID or own_domain(settings.PUBLIC_URL)
    return RelyingParty(
        id=rp_id, name=settings.APP_NAME, origins=tuple(settings.PASSKEY_ORIGINS or _own(settings, rp_id))
    )


def _own(settings: Settings, rp_id: str) -> list[str]:
    """Return the origins of our own pages and of the front end, those in the domain: browsers let no other one in."""
    pages = [
        _at_localhost(url) if rp_id == LOCALHOST else url for url in (settings.PUBLIC_URL, settings.FRONTEND_URL) if url
    ]
    return sorted({page for page in pages if is_within(host_of(page), rp_id)})


def _at_localhost(url: str) -> str:
    parts = urlsplit(url)
    if host_of(url) not in LOOPBACK_HOSTS:
        return url
    return f"{parts.scheme}://{LOCALHOST}{f':{parts.port}' if parts.port else ''}"
