"""A provider's own tokens, kept for routes of the product: each sealed for its identity's row and its use.

Nobody waits for a provider in a transaction. Who wants to refresh claims the row for some seconds, asks outside, and
stores what came only if the row is still the one that was claimed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnExpressionArgument, delete, func, insert, or_, select, update

from app.auth.google import missing_scopes
from app.auth.oidc.provider import Provider
from app.auth.sealing import SealBroken, seal, unseal
from app.database import Reader, Work
from app.exceptions import ProviderConsentRequired
from app.models import AuditKind, Identity, ProviderToken
from app.services import audit
from app.services.federation.exchange import AccessAnswer

log = structlog.get_logger()

MARGIN = timedelta(minutes=1)
"""An access token that ends sooner is refreshed first: whoever gets it still has to use it."""
LEASE = timedelta(seconds=20)
"""How long one claim keeps others from refreshing. Longer than an answer may take; a server that died held it no longer."""
PAUSE = timedelta(seconds=5)
"""After a failure of the provider, before anybody asks again: what `ProviderUnavailable` tells clients to wait."""


class Use(StrEnum):
    """Which of the two tokens. One never opens in the other's place."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True)
class TokenSeals:
    """Seals tokens for one row, with the first of its keys, and opens what any of them has sealed."""

    keys: Sequence[bytes] = field(repr=False)

    def seal(self, token: str, identity_id: UUID, use: Use) -> bytes:
        """Return the token encrypted, for this place alone."""
        return seal(token.encode(), key=self.keys[0], place=_place(identity_id, use))

    def open(self, sealed: bytes, identity_id: UUID, use: Use) -> str | None:
        """Return the token. None: no key opens it here. Then the secret is another one, or somebody moved the seal."""
        try:
            return unseal(sealed, keys=self.keys, place=_place(identity_id, use)).content.decode()
        except SealBroken:
            hint = "does SECRET_KEY_PREVIOUS lack a former secret?"
            log.warning("provider_tokens.unreadable", identity_id=str(identity_id), token=use.value, hint=hint)
            return None


def _place(identity_id: UUID, use: Use) -> str:
    return f"provider_tokens/{identity_id}/{use}"


async def keep_tokens(
    work: Work, seals: TokenSeals, *, identity_id: UUID, answer: AccessAnswer, asked: Sequence[str]
) -> None:
    """Keep what a sign-in has brought, in place of what was there.

    A refresh token stays when no newer one has come: Google gives one only with a consent. `asked` counts as granted
    when the provider does not say what it has granted. `arrive` has written the identity's row, so two at once take turns.
    """
    values = _values(seals, identity_id, answer, scopes=asked, now=work.now)
    values["refresh_sealed"] = func.coalesce(values["refresh_sealed"], ProviderToken.refresh_sealed)
    present = update(ProviderToken).where(ProviderToken.identity_id == identity_id).values(values)
    if not await _changed(work, present):
        values = _values(seals, identity_id, answer, scopes=asked, now=work.now)
        await work.db.execute(insert(ProviderToken).values(identity_id=identity_id, **values))


async def find_tokens(read: Reader, *, user_id: UUID, provider: Provider, scopes: tuple[str, ...]) -> ProviderToken:
    """Return the newest tokens of an account's that were granted for all these scopes, fresh or not.

    Raises `ProviderConsentRequired`, which names what the closest ones lack.
    """
    statement = (
        select(ProviderToken)
        .join(Identity, Identity.id == ProviderToken.identity_id)
        .where(Identity.user_id == user_id, Identity.issuer == provider.issuer)
        .order_by(ProviderToken.updated_at.desc(), ProviderToken.identity_id)
    )
    present = await read.entities(statement)
    if not present:
        raise ProviderConsentRequired(scopes)
    closest = min(present, key=lambda kept: len(missing_scopes(scopes, kept.scopes.split())))
    check_scopes(scopes, closest.scopes.split())
    return closest


def check_scopes(asked: tuple[str, ...], granted: Sequence[str]) -> None:
    """Raise `ProviderConsentRequired` unless all that is asked was granted."""
    missing = missing_scopes(asked, granted)
    if missing:
        raise ProviderConsentRequired(missing)


async def claim(work: Work, *, kept: ProviderToken) -> bool:
    """Claim the refresh of these tokens for the length of `LEASE`. Of any number at once one succeeds."""
    free = [
        or_(until.is_(None), until <= work.now)
        for until in (ProviderToken.refreshing_until, ProviderToken.failing_until)
    ]
    statement = update(ProviderToken).where(*_unchanged(kept), *free).values(refreshing_until=work.now + LEASE)
    return await _changed(work, statement)


async def replace_tokens(work: Work, seals: TokenSeals, *, kept: ProviderToken, refreshed: AccessAnswer) -> bool:
    """Store refreshed tokens, with a refresh token that is there. False: the row was replaced or deleted meanwhile."""
    values = _values(seals, kept.identity_id, refreshed, scopes=kept.scopes.split(), now=work.now)
    return await _changed(work, update(ProviderToken).where(*_unchanged(kept)).values(values))


async def note_failure(work: Work, *, kept: ProviderToken) -> None:
    """Give the claim back after a failure of the provider's; for a moment nobody asks again."""
    values = {"refreshing_until": None, "failing_until": work.now + PAUSE}
    await work.db.execute(update(ProviderToken).where(*_unchanged(kept)).values(values))


async def forget_tokens(work: Work, *, kept: ProviderToken) -> None:
    """Delete tokens that the provider does not know any more, unless newer ones have taken their place."""
    await work.db.execute(delete(ProviderToken).where(*_unchanged(kept)))
    owner = (await work.db.execute(select(Identity.user_id).where(Identity.id == kept.identity_id))).scalar()
    detail = {"identity_id": str(kept.identity_id)}
    await audit.record(work, AuditKind.PROVIDER_TOKENS_WITHDRAWN, target_id=owner, detail=detail)


async def take_tokens(work: Work, seals: TokenSeals, *, identity_id: UUID) -> str | None:
    """Delete an identity's tokens, and return the one whose revocation ends the others too. None: there was none."""
    statement = delete(ProviderToken).where(ProviderToken.identity_id == identity_id).returning(ProviderToken)
    kept = (await work.db.execute(statement.execution_options(synchronize_session=False))).scalar_one_or_none()
    if kept is None:
        return None
    if kept.refresh_sealed is None:
        return seals.open(kept.access_sealed, identity_id, Use.ACCESS)
    return seals.open(kept.refresh_sealed, identity_id, Use.REFRESH)


def _values(
    seals: TokenSeals, identity_id: UUID, answer: AccessAnswer, *, scopes: Sequence[str], now: datetime
) -> dict[str, Any]:
    """Return what a row holds of an answer."""
    refresh = answer.refresh_token and seals.seal(answer.refresh_token, identity_id, Use.REFRESH)
    return {
        "access_sealed": seals.seal(answer.access_token, identity_id, Use.ACCESS),
        "refresh_sealed": refresh,
        "scopes": " ".join(scopes if answer.scopes is None else answer.scopes),
        "expires_at": now + (answer.expires_in or timedelta()),
        "updated_at": now,
        "refreshing_until": None,
        "failing_until": None,
    }


def _unchanged(kept: ProviderToken) -> tuple[ColumnExpressionArgument[bool], ...]:
    return ProviderToken.identity_id == kept.identity_id, ProviderToken.access_sealed == kept.access_sealed


async def _changed(work: Work, statement: Any) -> bool:
    """Whether a statement has changed a row."""
    statement = statement.returning(ProviderToken.identity_id).execution_options(synchronize_session=False)
    return (await work.db.execute(statement)).first() is not None
