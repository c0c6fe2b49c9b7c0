"""Turns what a session issues into the texts that clients hold, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from app.auth.jwt import AccessClaims, TokenOutOfDate, TokenRejected, read_access_token, sign_access_token
from app.auth.keys import KeyRing, derive_key, symmetric_key_ring
from app.auth.tokens import RefreshToken, TokenForged, decode_refresh_token
from app.config import API_PREFIX, Settings
from app.exceptions import RefreshTokenInvalid, TokenExpired, TokenInvalid
from app.services.sessions import Issued

log = structlog.get_logger()

KeySource = Callable[[], KeyRing]
"""Asked at every signature and every check, so that a change of keys needs no restart."""


@dataclass(frozen=True)
class SignedTokens:
    """A pair as the client gets it. `expires_in` is the lifetime of the access token in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


class TokenIssuer:
    """Signs and reads tokens with the keys of this installation. Asks no database: a lifeless token passes here."""

    def __init__(self, *, keys: KeySource, refresh_key: bytes, issuer: str, audience: str) -> None:
        self._keys = keys
        self._refresh_key = refresh_key
        self.issuer = issuer
        self.audience = audience

    @classmethod
    def from_settings(cls, settings: Settings) -> "TokenIssuer":
        """Return the issuer whose keys all come from the server secret."""
        secret = settings.SECRET_KEY.get_secret_value()
        ring = symmetric_key_ring(secret)
        return cls(
            keys=lambda: ring,
            refresh_key=derive_key(secret, "refresh-token"),
            issuer=settings.PUBLIC_URL,
            audience=settings.PUBLIC_URL + API_PREFIX,
        )

    async def sign(self, issued: Issued) -> SignedTokens:
        """Return the texts for what a session issued."""
        claims = issued.claims
        return SignedTokens(
            access_token=sign_access_token(claims, ring=self._keys(), issuer=self.issuer, audience=self.audience),
            refresh_token=issued.refresh.encode(self._refresh_key),
            expires_in=int((claims.expires_at - claims.issued_at).total_seconds()),
        )

    async def read_access(self, token: str, *, now: datetime) -> AccessClaims:
        """Return what an access token says. Raises `TokenExpired` or `TokenInvalid`."""
        try:
            return read_access_token(token, ring=self._keys(), issuer=self.issuer, audience=self.audience, now=now)
        except TokenOutOfDate as error:
            raise TokenExpired from error
        except TokenRejected as error:
            log.warning("access_token.rejected", reason=str(error))
            raise TokenInvalid from error

    def read_refresh(self, text: str) -> RefreshToken:
        """Return what a refresh token carries. Raises `RefreshTokenInvalid` for a forged one, at no database's cost."""
        try:
            return decode_refresh_token(text, self._refresh_key)
        except TokenForged as error:
            log.warning("refresh_token.rejected", reason="forged or malformed")
            raise RefreshTokenInvalid from error
