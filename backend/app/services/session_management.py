"""What people do with their own sessions, and those who administer with the sessions of others."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.auth.actor import CurrentUser
from app.database import Reader, Work
from app.exceptions import NotFoundError, PermissionDenied
from app.models import AuditKind, EndCause, Session
from app.services import audit, users
from app.services.callers import reread_current_user
from app.services.sessions.end import end_session, end_sessions_of
from app.services.sessions.overview import (
    SessionPage,
    SessionsAsked,
    TimelineEntry,
    find_session,
    list_sessions,
    tell_story,
)


async def get_session(read: Reader, *, actor: CurrentUser, session_id: UUID) -> Session:
    """Return a session that the caller may see: one of theirs, or anybody's with `users:read` or `users:write`.

    Raises `NotFoundError` for everything else, there or not, so that ids cannot be probed.
    """
    session = await find_session(read, session_id)
    may_see_others = actor.may(users.READ) or actor.may(users.WRITE)
    if session is None or (session.user_id != actor.id and not may_see_others):
        raise NotFoundError("Session")
    return session


async def tell_story_of(read: Reader, *, actor: CurrentUser, session: Session, now: datetime) -> list[TimelineEntry]:
    """Return what happened to a session. Where an administrator was when they ended it is no business of its owner's."""
    story = await tell_story(read, session=session, now=now)
    if actor.may(users.READ):
        return story
    return [replace(entry, client_address=None) if entry.actor_id else entry for entry in story]


async def list_sessions_of(read: Reader, *, actor: CurrentUser, user_id: UUID, asked: SessionsAsked) -> SessionPage:
    """Return the sessions of a user whom the caller may see. Raises `NotFoundError`, and `FieldInvalid` for a cursor."""
    await users.get_user(read, actor=actor, user_id=user_id)
    return await list_sessions(read, user_id=user_id, asked=asked)


async def end_one(work: Work, *, actor: CurrentUser, session_id: UUID) -> None:
    """End one session: one's own, or with `users:write` that of a user who ranks no higher. Ended already is fine.

    Raises `NotFoundError` for a session that the caller may not see, `PermissionDenied` for one they may only see.
    """
    session = await get_session(work.read, actor=actor, session_id=session_id)
    if session.user_id == actor.id:
        cause = EndCause.LOGOUT if session_id == actor.session_id else EndCause.ENDED_BY_USER
        await end_session(work, session_id=session_id, cause=cause)
        return
    await _check_may_end(work, actor=actor, user_id=session.user_id, session_id=session_id)
    await end_session(work, session_id=session_id, cause=EndCause.ENDED_BY_ADMINISTRATOR, actor_id=actor.id)


async def end_others(work: Work, *, user: CurrentUser) -> int:
    """End every session of the caller's but this one. Return how many ended."""
    return await end_sessions_of(work, user_id=user.id, cause=EndCause.LOGOUT_OTHERS, but=user.session_id)


async def end_all_of(work: Work, *, actor: CurrentUser, user_id: UUID) -> int:
    """End every session of a user who ranks no higher than the caller. Return how many ended.

    Raises `NotFoundError`, or `PermissionDenied`.
    """
    await _check_may_end(work, actor=actor, user_id=user_id)
    return await end_sessions_of(work, user_id=user_id, cause=EndCause.ENDED_BY_ADMINISTRATOR, actor_id=actor.id)


async def _check_may_end(work: Work, *, actor: CurrentUser, user_id: UUID, session_id: UUID | None = None) -> None:
    """Look once more at who is asking, and lock the user's row, so that no sign-in of theirs slips through."""
    about = audit.About(actor_id=actor.id, target_id=user_id, session_id=session_id)
    with audit.refusals(work, AuditKind.SESSION_END_REFUSED, **about):
        actor = await reread_current_user(work, user=actor)
        if not actor.may(users.WRITE):
            raise PermissionDenied
        await users.get_target(work, actor=actor, user_id=user_id)
