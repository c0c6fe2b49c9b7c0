"""Writes a session's story, in the transaction of what happened."""

from uuid import UUID

from sqlalchemy import insert, select

from app.auth.identifiers import new_id
from app.database import Work
from app.models import SessionEvent, SessionEventKind


async def record_event(
    work: Work, *sessions: UUID, kind: SessionEventKind, detail: str | None = None, actor_id: UUID | None = None
) -> None:
    """Add the same event to each of these sessions, with the address that this request comes from."""
    if sessions:
        rows = [_row(work, session_id, kind, detail, actor_id) for session_id in sessions]
        await work.db.execute(insert(SessionEvent), rows)


async def record_event_once(work: Work, session_id: UUID, *, kind: SessionEventKind, detail: str | None) -> None:
    """Add an event unless the session has one of this kind with this detail: what a client repeats fills no table."""
    seen = select(SessionEvent.id).where(
        SessionEvent.session_id == session_id, SessionEvent.kind == kind.value, SessionEvent.detail == detail
    )
    if (await work.db.execute(seen.limit(1))).first() is None:
        await record_event(work, session_id, kind=kind, detail=detail)


def _row(
    work: Work, session_id: UUID, kind: SessionEventKind, detail: str | None, actor_id: UUID | None
) -> dict[str, object]:
    return {
        "id": new_id(),
        "session_id": session_id,
        "kind": kind.value,
        "at": work.now,
        "detail": detail,
        "client_address": work.client.address,
        "actor_id": actor_id,
    }
