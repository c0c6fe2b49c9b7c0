"""A session gets a new credential in place of the old one, because its user has proved something in it."""

from dataclasses import dataclass, replace

from sqlalchemy import case, update
from sqlalchemy.sql.elements import ColumnElement

from app.auth.actor import CurrentUser
from app.auth.tokens import CookieReplacement
from app.database import Work
from app.models import Session
from app.services.sessions.issue import IssuedAccess, IssuedCookie, claims_of
from app.services.sessions.state import alive


@dataclass(frozen=True, slots=True)
class Renewal:
    """What was proved by now, in whose session, and the cookie that the browser is to get for it, if it carries one."""

    user: CurrentUser
    methods: tuple[str, ...]
    """Every method of the session, the new one among them."""
    replacement: CookieReplacement | None


async def renew(work: Work, renewal: Renewal, *conditions: ColumnElement[bool]) -> IssuedAccess | IssuedCookie | None:
    """Note a fresh proof in a session, and return a credential that says so. None: the session, or a condition, does not stand.

    A client with tokens gets a new access token and keeps its refresh token. A browser gets a new cookie; the old
    one works for a short grace, without the fresh proof (OWASP ASVS 5.0, 7.2.4). Of several at once with one cookie
    all get the same new one. The session itself learns of no proof that a client with tokens gives: it stands in
    the new access token alone, so that somebody with a copied refresh token does not profit from it.
    """
    replacement = renewal.replacement
    wanted = [Session.id == renewal.user.session_id, *alive(work.now), *conditions]
    values: dict[str, object] = {"last_seen_at": work.now}
    if replacement:
        wanted.append(_counts(work, replacement))
        values |= {"authenticated_at": work.now, "methods": " ".join(renewal.methods)}
        values |= _replaced(work, replacement)
    statement = (
        update(Session).where(*wanted).values(values).returning(Session).execution_options(synchronize_session=False)
    )
    session = (await work.db.execute(statement)).scalar_one_or_none()
    if session is None:
        return None
    if replacement is None:
        claims = replace(claims_of(work, session), authenticated_at=work.now, methods=renewal.methods)
        return IssuedAccess(claims=claims)
    cookie, user_id, at = replacement.successor, renewal.user.id, work.now
    return IssuedCookie(user_id=user_id, cookie=cookie, authenticated_at=at, expires_at=session.expires_at)


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
