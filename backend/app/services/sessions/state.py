"""What it means that a session lives: said once as a condition for statements, once for a row that was read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.sql.elements import ColumnElement

from app.models import EndCause, Session, User
from app.services.sessions.known import Known


def end_cause_of(session: Session | Known | Row[Any], now: datetime) -> str | None:
    """Return why a session has ended by now, or None while it lives. Time ends a session without a write."""
    if session.ended_at is not None:
        return str(session.end_cause)
    if min(session.idle_expires_at, session.expires_at) > now:
        return None
    idle = session.idle_expires_at < session.expires_at
    return (EndCause.IDLE_TIMEOUT if idle else EndCause.ABSOLUTE_TIMEOUT).value


def end_of(session: Session, now: datetime) -> datetime | None:
    """Return when a session ended, or None while it lives."""
    if session.ended_at is not None or end_cause_of(session, now) is None:
        return session.ended_at
    return min(session.expires_at, session.idle_expires_at)


def alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions of a session that may still be used, and of a user who may still use it."""
    active = select(User.id).where(User.id == Session.user_id, User.is_active).exists()
    return *unended(now), active


def unended(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions of a session that neither anybody nor time has ended."""
    return Session.ended_at.is_(None), Session.expires_at > now, Session.idle_expires_at > now


def living_session(session_id: UUID, now: datetime) -> ColumnElement[bool]:
    """The condition that a session may still be used, for a statement that must not outlive it."""
    return select(Session.id).where(Session.id == session_id, *alive(now)).correlate(None).exists()
