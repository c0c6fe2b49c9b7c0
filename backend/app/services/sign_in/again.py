"""Proving once more who one is, within a session: what a route with `fresh(minutes=…)` asks for (RFC 9470)."""

import structlog
from sqlalchemy import select, update

from app.auth.actor import CurrentUser
from app.auth.passwords.pool import HashingPool
from app.auth.tokens import new_cookie_token
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import TokenInvalid
from app.models import Session, SessionEventKind, User
from app.services.accounts import verified_password_hash
from app.services.sessions.events import record_event
from app.services.sessions.issue import PASSWORD, IssuedAccess, IssuedCookie, claims_of
from app.services.sessions.state import alive

log = structlog.get_logger()


async def prove_password_again(
    work: Work, hashing: HashingPool, *, user: CurrentUser, password: str
) -> IssuedAccess | IssuedCookie:
    """Note a fresh proof in the caller's session, and return a credential that says so.

    A client with tokens gets a new access token and keeps its refresh token. A browser gets a new cookie; the old
    one works for a short grace, without the fresh proof (OWASP ASVS 5.0, 7.2.4). Raises `WrongPassword`, and
    `TokenInvalid` when the session has ended meanwhile.
    """
    stored = await verified_password_hash(work, hashing, user=user, password=password)
    cookie = new_cookie_token(user.session_id) if user.transport is Transport.COOKIE else None
    session = await _renew(work, user=user, stored=stored, secret_digest=cookie.secret_digest if cookie else None)
    await record_event(work, session.id, kind=SessionEventKind.REAUTHENTICATED, detail=PASSWORD)
    log.info("session.reauthenticated", user_id=str(user.id), session_id=str(session.id))
    if cookie:
        return IssuedCookie(cookie=cookie, authenticated_at=work.now, expires_at=session.expires_at)
    return IssuedAccess(claims=claims_of(work, session))


async def _renew(work: Work, *, user: CurrentUser, stored: str, secret_digest: bytes | None) -> Session:
    """Note the proof, and replace the cookie's secret if there is one, while session and password still stand."""
    unchanged = select(User.id).where(User.id == user.id, User.password_hash == stored).exists()
    replaced = (
        {
            "former_secret_digest": Session.secret_digest,
            "secret_digest": secret_digest,
            "refreshed_at": work.now,
        }
        if secret_digest
        else {}
    )
    statement = (
        update(Session)
        .where(Session.id == user.session_id, *alive(work.now), unchanged)
        .values(authenticated_at=work.now, methods=" ".join(dict.fromkeys((*user.methods, PASSWORD))), **replaced)
        .returning(Session)
        .execution_options(synchronize_session=False)
    )
    session = (await work.db.execute(statement)).scalar_one_or_none()
    if session is None:
        raise TokenInvalid
    return session
