"""Tells a provider that its tokens are not needed any more."""

import structlog

from app.exceptions import ProviderFailed, ProviderUnavailable
from app.services.federation.exchange import revoke
from app.services.federation.relying_party import RelyingParty

log = structlog.get_logger()


async def revoke_kept(party: RelyingParty, *, issuer: str, token: str) -> None:
    """End a token at its provider; at Google the whole consent ends with it. A failure is logged, and not tried again.

    Nobody here has the token any more. What it allowed ends for good when the user takes the consent back there.
    """
    if issuer not in party.names:  # Not configured any more: nobody knows whom to tell.
        return
    provider = party.provider(party.names[issuer])
    try:
        metadata = await party.documents.metadata(provider)
        if metadata.revocation_endpoint is not None:
            await revoke(party.outbound, metadata, provider, endpoint=metadata.revocation_endpoint, token=token)
            log.info("provider_tokens.revoked", provider=provider.name)
    except (ProviderFailed, ProviderUnavailable):
        log.warning("provider_tokens.not_revoked", provider=provider.name)
