"""Proving once more who one is, within a session: what a route with `fresh(minutes=…)` asks for (RFC 9470)."""

from dataclasses import dataclass, field, replace

from sqlalchemy import case, select, update
from sqlalchemy.sql.elements import ColumnElement

from app.auth.actor import CurrentUser
from app.auth.passwords.pool import HashingPool
from app.auth.tokens import CookieReplacement
from app.database import Work
from app.exceptions import WrongPassword
from app.models import AuditKind, Session, SessionEventKind, User
from app.services import audit
from app.services.accounts import verified_password_hash
from app.services.callers import reread_current_user
from app.services.sessions.events import record_habit
from app.services.sessions.issue import PASSWORD, IssuedAccess, IssuedCookie, claims_of
from app.services.sessions.state import alive


@dataclass(frozen=True)
class PasswordProof:
    """A password that is typed again, and the cookie that the browser is to get for it, if it carries one."""

    password: str = field(repr=False)
    replacement: CookieReplacement | None


async def prove_password_again(
    work: Work, hashing: HashingPool, *, user: CurrentUser, proof: PasswordProof
) -> IssuedAccess | IssuedCookie:
    """Note a fresh proof in the caller's session, and return a credential that says so.

    A client with tokens gets a new access token and keeps its refresh token. A browser gets a new cookie; the old
    one works for a short grace, without the fresh proof (OWASP ASVS 5.0, 7.2.4). Of several at once with one cookie
    all get the same new one. The session itself learns of no proof that a client with tokens gives: it stands in
    the new access token alone, so that somebody with a copied refresh token does not profit from it. Raises
    `WrongPassword`, also when it was changed meanwhile, and `SessionEnded`.
    """
    stored = await verified_password_hash(work, hashing, user=user, password=proof.password)
    session = await _renew(work, user=user, stored=stored, replacement=proof.replacement)
    if session is None:
        await reread_current_user(work, user=user)  # Says so when the session has ended.
        raise WrongPassword
    await record_habit(work, session.id, kind=SessionEventKind.REAUTHENTICATED, detail=PASSWORD, once_per_address=False)
    about = audit.About(actor_id=user.id, target_id=user.id, session_id=session.id)
    await audit.record(work, AuditKind.SESSION_REAUTHENTICATED, **about, detail={"method": PASSWORD})
    if proof.replacement is None:
        claims = replace(claims_of(work, session), authenticated_at=work.now, methods=_with_password(user))
        return IssuedAccess(claims=claims)
    cookie = proof.replacement.successor
    return IssuedCookie(user_id=user.id, cookie=cookie, authenticated_at=work.now, expires_at=session.expires_at)


async def _renew(
    work: Work, *, user: CurrentUser, stored: str, replacement: CookieReplacement | None
) -> Session | None:
    """Return the session, if it and the password still stand, with the new cookie in the old one's place."""
    unchanged = select(User.id).where(User.id == user.id, User.password_hash == stored).exists()
    conditions = [Session.id == user.session_id, *alive(work.now), unchanged]
    values: dict[str, object] = {"last_seen_at": work.now}
    if replacement:
        conditions.append(_counts(work, replacement))
        values |= {"authenticated_at": work.now, "methods": " ".join(_with_password(user))}
        values |= _replaced(work, replacement)
    statement = (
        update(Session)
        .where(*conditions)
        .values(values)
        .returning(Session)
        .execution_options(synchronize_session=False)
    )
    return (await work.db.execute(statement)).scalar_one_or_none()


def _with_password(user: CurrentUser) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*user.methods, PASSWORD)))


def _counts(work: Work, replacement: CookieReplacement) -> ColumnElement[bool]:
    """The condition that a cookie may be replaced: it is the current one, or its replacement was made just now."""
    presented, successor = replacement.presented.secret_digest, replacement.successor.secret_digest
    was_just_replaced = (
        (Session.former_secret_digest == presented)
        & (Session.secret_digest == successor)
        & (Session.refreshed_at >= work.now - work.settings.refresh_grace_ttl)
    )
    return (Session.secret_digest == presented) | was_just_replaced


def _replaced(work: Work, replacement: CookieReplacement) -> dict[str, object]:
    """What changes with the cookie; for whoever comes second with the same one, nothing."""
    is_current = Session.secret_digest == replacement.presented.secret_digest
    return {
        "former_secret_digest": case((is_current, Session.secret_digest), else_=Session.former_secret_digest),
        "secret_digest": case((is_current, replacement.successor.secret_digest), else_=Session.secret_digest),
        "refreshed_at": case((is_current, work.now), else_=Session.refreshed_at),
    }
