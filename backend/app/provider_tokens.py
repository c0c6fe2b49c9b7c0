"""Gives routes of the product a provider's access token that counts: the kept one, or a fresh one."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from app.auth.oidc.provider import Provider
from app.database import Client, Database
from app.exceptions import ProviderConsentRequired, ProviderFailed, ProviderUnavailable
from app.models import ProviderToken
from app.services.federation import kept_tokens
from app.services.federation.exchange import AccessAnswer, refresh
from app.services.federation.faults import INVALID_GRANT
from app.services.federation.kept_tokens import Use
from app.services.federation.relying_party import RelyingParty

PATIENCE_SECONDS = 8.0
"""How long a request waits for tokens that another one is fetching, on whichever server."""
_GLANCE_SECONDS = 0.1


class ProviderTokens:
    """Refreshes kept tokens when they end, once for all who ask at the same time. One for each process."""

    def __init__(self, database: Database, party: RelyingParty) -> None:
        self._database = database
        self._party = party

    async def access_token(self, provider: Provider, *, user_id: UUID, scopes: tuple[str, ...], client: Client) -> str:
        """Return an access token of an account's for all these scopes, good for a minute at least if it can be had.

        No connection is held while the provider is asked. Raises `ProviderConsentRequired` when something is missing
        that only the account's user can give, `ProviderUnavailable` and `ProviderFailed`.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            kept = await kept_tokens.find_tokens(self._database.read, user_id=user_id, provider=provider, scopes=scopes)
            now = datetime.now(UTC)
            if kept.expires_at > now + kept_tokens.MARGIN:
                return self._open(kept, kept.access_sealed, Use.ACCESS, scopes)
            if kept.failing_until is not None and kept.failing_until > now:
                raise ProviderUnavailable("failed_just_now")
            if kept.refreshing_until is not None and kept.refreshing_until > now:
                await asyncio.sleep(_GLANCE_SECONDS)
                continue
            answer = await self._refresh(provider, kept, scopes, client)
            if answer is not None:
                kept_tokens.check_scopes(scopes, answer.scopes or kept.scopes.split())
                return answer.access_token
        raise ProviderUnavailable("another_request_waits")

    async def _refresh(
        self, provider: Provider, kept: ProviderToken, scopes: tuple[str, ...], client: Client
    ) -> AccessAnswer | None:
        """Return fresh tokens, stored. None: another request was faster, or the row is not there any more."""
        refresh_token = self._open(kept, kept.refresh_sealed, Use.REFRESH, scopes)
        async with self._database.begin(client) as work:
            claimed = await kept_tokens.claim(work, kept=kept)
        if not claimed:
            return None
        answer = await self._ask(provider, kept, refresh_token, scopes, client)
        # Sealed anew together with the access token, so that a former SECRET_KEY is not needed for ever.
        whole = replace(answer, refresh_token=answer.refresh_token or refresh_token)
        async with self._database.begin(client) as work:
            stored = await kept_tokens.replace_tokens(work, self._party.token_seals, kept=kept, refreshed=whole)
        return answer if stored else None

    async def _ask(
        self, provider: Provider, kept: ProviderToken, refresh_token: str, scopes: tuple[str, ...], client: Client
    ) -> AccessAnswer:
        """Ask the provider, and write down a no: tokens that it does not know any more are deleted."""
        try:
            metadata = await self._party.documents.metadata(provider)
            return await refresh(self._party.outbound, metadata, provider, refresh_token=refresh_token)
        except (ProviderFailed, ProviderUnavailable) as failure:
            withdrawn = failure.reason == INVALID_GRANT
            async with self._database.begin(client) as work:
                await (kept_tokens.forget_tokens if withdrawn else kept_tokens.note_failure)(work, kept=kept)
            if withdrawn:
                raise ProviderConsentRequired(scopes) from failure
            raise

    def _open(self, kept: ProviderToken, sealed: bytes | None, use: Use, scopes: tuple[str, ...]) -> str:
        """Return a token. Raises `ProviderConsentRequired` when there is none, or none that a key of ours opens.

        Then the row stays: a secret that was set wrongly may be set right.
        """
        token = sealed and self._party.token_seals.open(sealed, kept.identity_id, use)
        if not token:
            raise ProviderConsentRequired(scopes)
        return token
