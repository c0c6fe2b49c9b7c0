"""What this installation needs to sign people in through providers: who they are, and where their answers go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from app.auth.keys import derive_key
from app.auth.oidc.provider import Provider
from app.auth.redirects import RedirectRefused, safe_return_to
from app.config import API_PREFIX, Settings
from app.exceptions import NotFoundError, ReturnToRefused
from app.provider_settings import GOOGLE
from app.services.federation.documents import ProviderDocuments
from app.services.federation.kept_tokens import TokenSeals
from app.services.federation.outbound import Outbound

_NO_PAGES = (f"{API_PREFIX}/", "/dev/")
_FLOW_PURPOSE = "federation/flow-cookie"
_TOKEN_PURPOSE = "federation/provider-tokens"


@dataclass(frozen=True)
class RelyingParty:
    """One for each process. Its providers come from the settings: nobody who calls can add one."""

    settings: Settings
    providers: Mapping[str, Provider]
    outbound: Outbound
    documents: ProviderDocuments
    flow_keys: Sequence[bytes]
    """Open what browsers keep while their user is at a provider. The first one seals."""
    token_seals: TokenSeals
    """For the providers' own tokens, where they are kept."""

    @classmethod
    def build(cls, settings: Settings, providers: Sequence[Provider]) -> "RelyingParty":
        """Prepare; nothing connects yet."""
        outbound = Outbound(allow_loopback_http=not settings.is_production)
        return cls(
            settings=settings,
            providers={provider.name: provider for provider in providers},
            outbound=outbound,
            documents=ProviderDocuments(outbound),
            flow_keys=[derive_key(secret, _FLOW_PURPOSE) for secret in settings.secrets],
            token_seals=TokenSeals([derive_key(secret, _TOKEN_PURPOSE) for secret in settings.secrets]),
        )

    def provider(self, name: str) -> Provider:
        """Return a provider. Raises `NotFoundError` for a name that the settings do not know."""
        if name not in self.providers:
            raise NotFoundError("Provider")
        return self.providers[name]

    def keeps_tokens_of(self, provider: Provider) -> bool:
        """Whether the settings ask for the provider's own tokens to be kept."""
        return provider.name == GOOGLE and self.settings.GOOGLE_KEEP_TOKENS

    @property
    def keeps_google_tokens(self) -> bool:
        """Whether there is a Google whose tokens are kept."""
        return any(self.keeps_tokens_of(provider) for provider in self.providers.values())

    @property
    def names(self) -> Mapping[str, str]:
        """The providers' names by issuer, as identities are kept by it."""
        return {provider.issuer: provider.name for provider in self.providers.values()}

    def callback_uri(self, provider: Provider) -> str:
        """Return where the provider sends the browser: to this server, each provider to an address of its own.

        So an answer of one cannot pass for an answer of another (RFC 9700, section 4.4.2.2).
        """
        return f"{self.settings.PUBLIC_URL}{API_PREFIX}/auth/{provider.name}/callback"

    def page_uri(self, provider: Provider) -> str:
        """Return where the provider sends the browser when a page of the front end takes the code itself."""
        own = "" if provider.name == GOOGLE else f"/{provider.name}"
        return f"{self.front_end}/auth/callback{own}"

    @property
    def front_end(self) -> str:
        """The origin of the front end; this server itself, where there is no other."""
        return self.settings.FRONTEND_URL or self.settings.PUBLIC_URL

    def return_to(self, text: str) -> str:
        """Return the full address of a page of ours. Raises `ReturnToRefused` for every other.

        A route of this API is no page: some send the browser on to a provider, with whatever it carries.
        """
        listed = [origin for origin in self.settings.ALLOWED_ORIGINS if origin != "*"]
        try:
            url = safe_return_to(text, [self.front_end, *listed, self.settings.PUBLIC_URL])
        except RedirectRefused as error:
            raise ReturnToRefused from error
        own = url.startswith(self.settings.PUBLIC_URL)
        if own and unquote(urlsplit(url).path).casefold().startswith(_NO_PAGES):
            raise ReturnToRefused
        return url

    async def close(self) -> None:
        """Give up what is under way, and close connections."""
        await self.documents.close()
        await self.outbound.close()
