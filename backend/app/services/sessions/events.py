"""Writes a session's story, in the transaction of what happened."""

from uuid import UUID

from sqlalchemy import case, func, insert, select

from app.auth.identifiers import new_id
from app.database import Work
from app.models import Session, SessionEvent, SessionEventKind

MOST_HABITS = 50
"""Events of one kind that a session keeps."""


async def record_event(
    work: Work, *sessions: UUID, kind: SessionEventKind, detail: str | None = None, actor_id: UUID | None = None
) -> None:
    """Add the same event to each of these sessions, with the address that this request comes from."""
    if sessions:
        rows = [_row(work, session_id, kind, detail, actor_id) for session_id in sessions]
        await work.db.execute(insert(SessionEvent), rows)


async def record_habit(
    work: Work, session_id: UUID, *, kind: SessionEventKind, detail: str | None = None, once_per_address: bool
) -> None:
    """Add an event that a client can cause as often as it likes, so seldom that it fills no table.

    Of each kind a session has at most `MOST_HABITS`; with `once_per_address`, one for each address. Of a session that has
    just gone with its account nothing is told any more.
    """
    mine = select(Session.id).where(Session.id == session_id).with_for_update(read=True, key_share=True)
    if (await work.db.execute(mine)).first() is None:
        return
    of_kind = (SessionEvent.session_id == session_id, SessionEvent.kind == kind.value)
    from_here = func.count(case((SessionEvent.client_address.is_not_distinct_from(work.client.address), 1)))
    seen = (await work.db.execute(select(func.count(), from_here).where(*of_kind))).one()
    if seen[0] < MOST_HABITS and not (once_per_address and seen[1]):
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
