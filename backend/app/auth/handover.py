"""Hands out what a sign-in, a refresh or a fresh proof gives: tokens in the answer, or a cookie and none in it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from fastapi import Request, Response

from app.auth.actor import CurrentUser
from app.auth.credentials import (
    EXPIRED_COOKIE,
    device_cookie_header,
    find_device_cookie,
    session_cookie,
    session_cookie_header,
)
from app.auth.identifiers import new_id
from app.auth.second_factor_cookies import remembered_cookie_header
from app.auth.tokens import CookieReplacement, DeviceToken
from app.auth.transports import Transport
from app.schemas.auth import AccessTokenResponse, CookieSessionResponse, TokenResponse
from app.services.sessions.issue import Issued, IssuedAccess, IssuedCookie
from app.services.tokens import TokenIssuer


@dataclass(frozen=True)
class Handover:
    """What a route needs to hand out a session, or to take it back."""

    request: Request
    response: Response
    tokens: TokenIssuer
    remembers_devices: bool
    """Whether a browser is known again as one of its user's own: for the limits, and without them for nothing."""
    remembered_seconds: int
    """For how long a browser that its user trusts is asked for no second factor."""

    async def begin(self, issued: Issued | IssuedCookie) -> TokenResponse | CookieSessionResponse:
        """Return the answer for a new session. The browser is known as one of this user's own from now on."""
        user_id = issued.claims.subject if isinstance(issued, Issued) else issued.user_id
        known = self._known_device(user_id)
        self._remember_device(user_id, known.device_id if known else new_id(), issued.device_generation)
        return await self.tokens_of(issued) if isinstance(issued, Issued) else self._cookie_of(issued)

    def remember(self, token: str | None) -> None:
        """Let the browser keep that it is asked for no second factor, if there is something to keep."""
        if token is not None:
            self.response.headers.append("Set-Cookie", remembered_cookie_header(token, max_age=self.remembered_seconds))

    async def renew(self, issued: IssuedAccess | IssuedCookie) -> AccessTokenResponse | CookieSessionResponse:
        """Return the answer for a fresh proof: a new access token alone, or a new cookie."""
        if isinstance(issued, IssuedAccess):
            return AccessTokenResponse.model_validate(await self.tokens.sign_access(issued))
        return self._cookie_of(issued)

    async def tokens_of(self, issued: Issued) -> TokenResponse:
        """Return a pair of tokens."""
        return TokenResponse.model_validate(await self.tokens.sign(issued))

    def cookie_replacement(self, user: CurrentUser) -> CookieReplacement | None:
        """Return the caller's cookie with the one that would take its place; None for a caller with tokens."""
        value = session_cookie.find(self.request) if user.transport is Transport.COOKIE else None
        return self.tokens.replacement_of(value) if value else None

    def take_back(self, user: CurrentUser, *, ended: UUID | None = None) -> None:
        """Take the cookie from the browser of somebody whose session is over. Tokens are the client's to forget.

        `ended` names a session, or a user whose sessions are over, when that need not be the caller's.
        """
        if user.transport is Transport.COOKIE and ended in {None, user.session_id, user.id}:
            self.response.headers.append("Set-Cookie", EXPIRED_COOKIE)

    def keep_device(self, user: CurrentUser, generation: int) -> None:
        """Go on knowing the caller's device when all others have just become strangers by this number."""
        known = self._known_device(user.id)
        if known and known.counts(generation=generation - 1, now=datetime.now(UTC)):
            self._remember_device(user.id, known.device_id, generation)

    def _known_device(self, user_id: UUID) -> DeviceToken | None:
        known = self.tokens.find_device(find_device_cookie(self.request))
        return known if known and known.user_id == user_id else None

    def _remember_device(self, user_id: UUID, device_id: UUID, generation: int | None) -> None:
        if generation is None or not self.remembers_devices:
            return
        device = DeviceToken(user_id, device_id, generation, signed_in_at=datetime.now(UTC))
        self.response.headers.append("Set-Cookie", device_cookie_header(self.tokens.encode_device(device)))

    def _cookie_of(self, issued: IssuedCookie) -> CookieSessionResponse:
        max_age = int((issued.expires_at - issued.authenticated_at).total_seconds())
        value = self.tokens.encode_cookie(issued.cookie)
        self.response.headers.append("Set-Cookie", session_cookie_header(value, max_age=max_age))
        return CookieSessionResponse(expires_at=issued.expires_at)
