"""What a session looks like to its owner, and its story: when it began, what happened, and why it ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.database import Reader
from app.models import EndCause, Session, SessionEvent, SessionEventKind
from app.services.cursors import decode_cursor, encode_cursor
from app.services.sessions.state import end_cause_of, end_of, unended

LONGEST_STORY = 200


@dataclass(frozen=True)
class SessionsAsked:
    """Which sessions of a user somebody wants to see."""

    now: datetime
    limit: int = 50
    cursor: str | None = None
    ended: bool = False
    """Those that ended, too."""


@dataclass(frozen=True)
class SessionPage:
    """Some sessions, and where the next page begins."""

    items: Sequence[Session]
    next_cursor: str | None


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened to a session."""

    at: datetime
    event: SessionEventKind
    detail: str | None = None
    client_address: str | None = None
    actor_id: UUID | None = None
    count: int | None = None
    """How often, of what is told once: the last refresh stands for all."""


async def list_sessions(read: Reader, *, user_id: UUID, asked: SessionsAsked) -> SessionPage:
    """Return a user's sessions, the newest first, a page at a time.

    Raises `FieldInvalid` for a cursor that is not one of ours.
    """
    statement = select(Session).where(Session.user_id == user_id).order_by(Session.id.desc()).limit(asked.limit + 1)
    if not asked.ended:
        statement = statement.where(*unended(asked.now))
    if asked.cursor is not None:
        statement = statement.where(Session.id < decode_cursor(asked.cursor))
    found = await read.entities(statement)
    more = len(found) > asked.limit
    return SessionPage(
        items=found[: asked.limit], next_cursor=encode_cursor(found[asked.limit - 1].id) if more else None
    )


async def find_session(read: Reader, session_id: UUID) -> Session | None:
    """Return a session, living or not."""
    found = await read.entities(select(Session).where(Session.id == session_id))
    return found[0] if found else None


async def tell_story(read: Reader, *, session: Session, now: datetime) -> list[TimelineEntry]:
    """Return what happened to a session, in its order; of a very long story the newest part."""
    statement = select(SessionEvent).where(SessionEvent.session_id == session.id)
    events = await read.entities(statement.order_by(SessionEvent.id.desc()).limit(LONGEST_STORY))
    return sorted((*_from_row(session, now), *map(_from_event, events)), key=_place)


def _place(entry: TimelineEntry) -> tuple[datetime, int]:
    """Of what happened at one moment the cause comes before what it led to."""
    return entry.at, list(SessionEventKind).index(entry.event)


def _from_event(event: SessionEvent) -> TimelineEntry:
    return TimelineEntry(
        at=event.at,
        event=SessionEventKind(event.kind),
        detail=event.detail,
        client_address=event.client_address,
        actor_id=event.actor_id,
    )


def _from_row(session: Session, now: datetime) -> Iterator[TimelineEntry]:
    """What the session's own row says: its beginning, its refreshes, and an end that only time brought."""
    yield TimelineEntry(session.created_at, SessionEventKind.SIGNED_IN, session.methods, session.client_address)
    if session.counter:
        yield TimelineEntry(session.refreshed_at, SessionEventKind.REFRESHED, count=session.counter)
    cause = end_cause_of(session, now)
    ended_at = end_of(session, now)
    if ended_at is not None and cause in {EndCause.IDLE_TIMEOUT, EndCause.ABSOLUTE_TIMEOUT}:
        yield TimelineEntry(ended_at, SessionEventKind.ENDED, cause)
