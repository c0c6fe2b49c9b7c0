"""Tells an operator what became of a session, given its id or any credential that names it."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.auth.jwt import TokenRejected, unchecked_session_id
from app.auth.tokens import COOKIE_PREFIX, REFRESH_TOKEN_PREFIX, RefreshToken
from app.database import Reader
from app.exceptions import NotFoundError, RefreshTokenInvalid, TokenExpired, TokenInvalid
from app.models import Session, User
from app.services.sessions.overview import TimelineEntry, find_session, tell_story
from app.services.sessions.state import end_cause_of
from app.services.tokens import TokenIssuer


@dataclass(frozen=True)
class Explanation:
    """A session's story, and what there is to say of the credential that was asked about."""

    session_id: UUID
    email: str
    device: str | None
    remark: str | None
    timeline: list[TimelineEntry]
    end_cause: str | None


@dataclass(frozen=True)
class _Named:
    """Which session a text names, and with what."""

    session_id: UUID
    remark: str | None = None
    refresh: RefreshToken | None = None
    secret_digest: bytes = field(default=b"")


async def explain(read: Reader, tokens: TokenIssuer, *, text: str, now: datetime) -> Explanation:
    """Return the story of the session that a text names: its id, an access or refresh token, a cookie's value.

    Raises `NotFoundError` for a text that names none that this installation has.
    """
    named = await _named(tokens, text, now)
    session = await find_session(read, named.session_id)
    if session is None:
        raise NotFoundError("Session")
    owner = await read.first(select(User.email).where(User.id == session.user_id))
    return Explanation(
        session_id=session.id,
        email=owner.email if owner else "",
        device=session.device,
        remark=_remark(named, session),
        timeline=await tell_story(read, session=session, now=now),
        end_cause=end_cause_of(session, now),
    )


async def _named(tokens: TokenIssuer, text: str, now: datetime) -> _Named:
    try:
        if text.startswith(REFRESH_TOKEN_PREFIX):
            refresh = tokens.read_refresh(text)
            return _Named(refresh.session_id, refresh=refresh, secret_digest=refresh.secret_digest)
        if text.startswith(COOKIE_PREFIX):
            cookie = tokens.read_cookie(text)
            return _Named(cookie.session_id, secret_digest=cookie.secret_digest)
        if "." in text:
            return _Named(unchecked_session_id(text), remark=await _access_remark(tokens, text, now))
        return _Named(UUID(text))
    except (RefreshTokenInvalid, TokenInvalid, TokenRejected, ValueError):
        raise NotFoundError("Session") from None


async def _access_remark(tokens: TokenIssuer, text: str, now: datetime) -> str:
    try:
        await tokens.read_access(text, now=now)
    except TokenExpired:
        return "The access token is ours, and has expired."
    except TokenInvalid as error:
        return f"The access token is not valid here: {error.__cause__}."
    return "The access token is ours, and has not expired."


def _remark(named: _Named, session: Session) -> str | None:
    if named.refresh is not None:
        genuine = hmac.compare_digest(session.secret_digest, named.secret_digest)
        state = (
            f"number {named.refresh.counter}, and the session is at number {session.counter}" if genuine else "forged"
        )
        return f"The refresh token is {state}."
    if named.secret_digest:
        current = hmac.compare_digest(session.secret_digest, named.secret_digest)
        return f"The cookie is {'the current one' if current else 'not the current one'}."
    return named.remark
