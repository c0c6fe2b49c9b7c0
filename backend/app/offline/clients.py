"""The applications that people may sign in to with the provider: who they are, and where they may be answered."""

import hmac
from dataclasses import dataclass, field

from app.auth.keys import derive_key
from app.config import API_PREFIX, ConfigurationError, Settings
from app.this_machine import is_on_this_machine_only

PREFIX = "/dev/google"
"""Where the provider lives in the development server."""
CLIENT_ID = "offline-client"
"""What the development server is called at its own provider."""

_NOT_IN_PRODUCTION = (
    "GOOGLE_CLIENT_ID: the offline provider lets anybody be anybody. Register a client at Google for production"
)
_NOT_WITH_NEIGHBOURS = (
    "PUBLIC_URL or HOST: others can reach this server, and the offline provider lets anybody be anybody. Use "
    "http://127.0.0.1 and HOST=127.0.0.1 with it, or set GOOGLE_CLIENT_ID"
)


@dataclass(frozen=True)
class Client:
    """An application that is registered at the provider."""

    client_id: str
    client_secret: str = field(repr=False)
    """Empty for one that receives ID tokens only: it cannot use the token endpoint."""
    redirect_uris: tuple[str, ...]
    """Where answers may be sent. A request must name one of them, character for character."""
    name: str = "An application"
    origins: tuple[str, ...] = ()
    """The origins whose pages may ask for an ID token without leaving the page."""

    def is_proved_by(self, secret: str) -> bool:
        """Whether this is the client's secret. It takes equally long for every wrong one of the same length."""
        return bool(self.client_secret) and hmac.compare_digest(self.client_secret.encode(), secret.encode())


def issuer_of(settings: Settings) -> str:
    """Return the issuer of the provider in the development server."""
    return f"{settings.PUBLIC_URL}{PREFIX}"


def development_clients(settings: Settings) -> list[Client]:
    """Return the clients of the development server's provider: the server itself, and the apps that it takes tokens of."""
    server = development_client(settings)
    apps = [
        Client(client_id=client_id, client_secret="", redirect_uris=(), name=settings.APP_NAME, origins=server.origins)
        for client_id in settings.GOOGLE_OTHER_CLIENT_IDS
    ]
    return [*apps, server]


def development_client(settings: Settings) -> Client:
    """Return the development server as a client of its own provider. Its secret follows from SECRET_KEY."""
    return Client(
        client_id=CLIENT_ID,
        client_secret=derive_key(settings.secrets[0], "offline-provider/client-secret").hex(),
        redirect_uris=(
            f"{settings.PUBLIC_URL}{API_PREFIX}/auth/google/callback",
            f"{settings.FRONTEND_URL}/auth/callback",
        ),
        name=settings.APP_NAME,
        origins=(settings.PUBLIC_URL, *(origin for origin in settings.cors_origins if origin != "*")),
    )


def check_offline_allowed(settings: Settings) -> None:
    """Raise `ConfigurationError` where the provider must not be: anybody can sign in with it as anybody."""
    if settings.is_production:
        raise ConfigurationError([_NOT_IN_PRODUCTION])
    if not is_on_this_machine_only(settings):
        raise ConfigurationError([_NOT_WITH_NEIGHBOURS])
