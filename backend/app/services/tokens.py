"""Turns what a session issues into the texts that clients hold, and back."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from app.auth.jwt import (
    AccessClaims,
    Token,
    TokenKind,
    TokenOutOfDate,
    TokenRejected,
    TokenUse,
    UnknownKey,
    access_claims,
    read_token,
    sign_access_token,
)
from app.auth.keys import KeyRing, derive_key
from app.auth.tokens import (
    CookieReplacement,
    CookieToken,
    DeviceToken,
    RefreshToken,
    TokenForged,
    decode_cookie_token,
    decode_device_token,
    decode_refresh_token,
)
from app.auth.verified import VerifiedTokens
from app.config import API_PREFIX, Settings
from app.exceptions import RefreshTokenInvalid, TokenExpired, TokenInvalid
from app.services.key_store import KeyStore
from app.services.sessions.issue import Issued, IssuedAccess

log = structlog.get_logger()

Decoded = TypeVar("Decoded")


@dataclass(frozen=True)
class SignedAccess:
    """An access token as the client gets it. `expires_in` is its lifetime in seconds."""

    access_token: str
    expires_in: int


@dataclass(frozen=True)
class SignedTokens(SignedAccess):
    """The same with the refresh token that belongs to it."""

    refresh_token: str


class TokenIssuer:
    """Makes and reads tokens with the keys of this installation. Asks after no session: a lifeless token passes here.

    New ones are made under the present server secret; those made under a former one are read as well.
    """

    def __init__(self, settings: Settings, keys: KeyStore) -> None:
        self._keys = keys
        self._refresh_keys = [derive_key(secret, "refresh-token") for secret in settings.secrets]
        self._cookie_keys = [derive_key(secret, "session-cookie") for secret in settings.secrets]
        self._device_keys = [derive_key(secret, "device-cookie") for secret in settings.secrets]
        self._use = TokenUse(
            kind=TokenKind.ACCESS, issuer=settings.PUBLIC_URL, audience=settings.PUBLIC_URL + API_PREFIX
        )
        self._verified = VerifiedTokens()

    @property
    def issuer(self) -> str:
        """What tokens name as their origin: where users reach this server."""
        return self._use.issuer

    @property
    def audience(self) -> str:
        """What access tokens are for: the API of this server."""
        return self._use.audience

    async def check_can_sign(self) -> None:
        """Raise `DatabaseUnavailable` while no key can be read: before something is spent that could not be answered."""
        await self._keys.ring(datetime.now(UTC))

    async def sign(self, issued: Issued) -> SignedTokens:
        """Return the texts for what a session issued. Raises `DatabaseUnavailable` while no key can be read."""
        access = await self.sign_access(IssuedAccess(claims=issued.claims))
        refresh = issued.refresh.encode(self._refresh_keys[0])
        return SignedTokens(access_token=access.access_token, expires_in=access.expires_in, refresh_token=refresh)

    async def sign_access(self, issued: IssuedAccess) -> SignedAccess:
        """Return the text of an access token alone. Raises `DatabaseUnavailable` while no key can be read."""
        claims, ring = issued.claims, await self._keys.ring(datetime.now(UTC))
        return SignedAccess(
            access_token=sign_access_token(claims, ring=ring, issuer=self.issuer, audience=self.audience),
            expires_in=int((claims.expires_at - claims.issued_at).total_seconds()),
        )

    def encode_cookie(self, cookie: CookieToken) -> str:
        """Return the value of a session cookie."""
        return cookie.encode(self._cookie_keys[0])

    def find_read(self, token: str, *, now: datetime) -> AccessClaims | None:
        """Return what an access token says that was checked here before, and whose key counts now; None for any other."""
        ring = self._keys.fresh_ring(now)
        return self._verified.find(token, accepted=ring.accepted, now=now) if ring else None

    async def read_access(self, token: str, *, now: datetime) -> AccessClaims:
        """Return what an access token says.

        Raises `TokenExpired`, `TokenInvalid`, or `DatabaseUnavailable` when its key cannot be looked up.
        """
        ring = await self._keys.ring(now)
        remembered = self._verified.find(token, accepted=ring.accepted, now=now)
        if remembered is not None:
            return remembered
        try:
            checked = await self._check(token, ring, now)
            claims = access_claims(checked)
        except TokenOutOfDate as error:
            raise TokenExpired from error
        except TokenRejected as error:
            log.warning("access_token.rejected", reason=str(error))
            raise TokenInvalid from error
        self._verified.add(token, kid=checked.kid, claims=claims)
        return claims

    def read_refresh(self, text: str) -> RefreshToken:
        """Return what a refresh token carries. Raises `RefreshTokenInvalid` for a forged one, at no database's cost."""
        token = _first_genuine(decode_refresh_token, text, self._refresh_keys)
        if token is None:
            log.warning("refresh_token.rejected", reason="forged or malformed")
            raise RefreshTokenInvalid
        return token

    def read_cookie(self, text: str) -> CookieToken:
        """Return what a session cookie carries. Raises `TokenInvalid` for a forged one, at no database's cost."""
        cookie = self.find_cookie(text)
        if cookie is None:
            log.warning("session_cookie.rejected", reason="forged or malformed")
            raise TokenInvalid
        return cookie

    def replacement_of(self, value: str) -> CookieReplacement:
        """Return a session cookie with the one that takes its place. Raises `TokenInvalid` for a forged one."""
        presented = self.read_cookie(value)
        return CookieReplacement(presented=presented, successor=presented.successor(self._cookie_keys[0]))

    def find_cookie(self, text: str) -> CookieToken | None:
        """Return what a session cookie carries, or None for a forged one."""
        return _first_genuine(decode_cookie_token, text, self._cookie_keys)

    def encode_device(self, device: DeviceToken) -> str:
        """Return the value of a device cookie."""
        return device.encode(self._device_keys[0])

    def find_device(self, text: str | None) -> DeviceToken | None:
        """Return what a device cookie carries, or None for a forged one."""
        return _first_genuine(decode_device_token, text, self._device_keys) if text else None

    async def _check(self, token: str, ring: KeyRing, now: datetime) -> Token:
        try:
            return read_token(token, use=self._use, ring=ring, now=now)
        except UnknownKey:
            return read_token(token, use=self._use, ring=await self._keys.search(now), now=now)


def _first_genuine(decode: Callable[[str, bytes], Decoded], text: str, keys: Sequence[bytes]) -> Decoded | None:
    """Return what a text carries that was made with one of these keys."""
    for key in keys:
        with suppress(TokenForged):
            return decode(text, key)
    return None
