"""Ends sessions. The first cause stays, and whoever was signed out may learn it."""

from uuid import UUID

from sqlalchemy import case, update
from sqlalchemy.sql.elements import ColumnElement

from app.auth.tokens import CookieToken
from app.database import Work
from app.models import EndCause, Session, SessionEventKind
from app.services.audit import OwnedSession, record_ends
from app.services.second_factors.pending import forget_pending
from app.services.sessions.events import record_event


async def end_session(work: Work, *, session_id: UUID, cause: EndCause, actor_id: UUID | None = None) -> bool:
    """End one session and return whether it still lived. Ending an ended one changes nothing: the first cause stays.

    `actor_id` names who did it, when that is not the session's owner.
    """
    return await _end(work, Session.id == session_id, cause=cause, actor_id=actor_id) > 0


async def end_sessions_of(
    work: Work, *, user_id: UUID, cause: EndCause, but: UUID | None = None, actor_id: UUID | None = None
) -> int:
    """End every living session of a user, but for one if it is named, and every sign-in that lacks a second factor.

    Return how many sessions ended.
    """
    await forget_pending(work, user_id=user_id)
    others = (Session.id != but,) if but else ()
    return await _end(work, Session.user_id == user_id, *others, cause=cause, actor_id=actor_id)


async def end_replaced_session(work: Work, *, cookie: CookieToken, cause: EndCause) -> bool:
    """End the session of a cookie, if the cookie still counts. Return whether the session lived."""
    grace_begins = work.now - work.settings.refresh_grace_ttl
    is_former = (Session.former_secret_digest == cookie.secret_digest) & (Session.refreshed_at >= grace_begins)
    counts = (Session.secret_digest == cookie.secret_digest) | is_former
    return await _end(work, Session.id == cookie.session_id, counts, cause=cause, actor_id=None) > 0


async def _end(work: Work, *which: ColumnElement[bool], cause: EndCause, actor_id: UUID | None) -> int:
    """End sessions for good, those that time has ended already as well: none of them can be prolonged afterwards.

    Such a one keeps time as its cause. Return how many lived.
    """
    idle = (Session.idle_expires_at <= work.now) & (Session.idle_expires_at < Session.expires_at)
    absolute = Session.expires_at <= work.now
    statement = (
        update(Session)
        .where(*which, Session.ended_at.is_(None))
        .values(
            ended_at=case((idle, Session.idle_expires_at), (absolute, Session.expires_at), else_=work.now),
            end_cause=case(
                (idle, EndCause.IDLE_TIMEOUT.value), (absolute, EndCause.ABSOLUTE_TIMEOUT.value), else_=cause.value
            ),
        )
        .returning(Session.id, Session.user_id, Session.end_cause)
        .execution_options(synchronize_session=False)
    )
    ended = [OwnedSession(row.id, row.user_id) for row in await work.db.execute(statement) if row.end_cause == cause]
    sessions = (each.session_id for each in ended)
    await record_event(work, *sessions, kind=SessionEventKind.ENDED, detail=cause.value, actor_id=actor_id)
    await record_ends(work, ended, cause=cause.value, actor_id=actor_id)
    return len(ended)
