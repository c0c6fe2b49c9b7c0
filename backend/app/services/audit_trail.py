"""Reads the audit log: one's own part of it, all of it for those who may, and deletes what is old enough."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, delete, select, union

from app.auth.actor import CurrentUser
from app.auth.identifiers import first_id_at
from app.database import Reader, Work
from app.models import AuditEvent, AuditKind
from app.services import audit
from app.services.cursors import decode_cursor, encode_cursor

log = structlog.get_logger()

READ = "audit:read"
BATCH = 500
"""Events that are read or deleted at once: the memory that an export takes, and the length of a purge's transaction."""


@dataclass(frozen=True)
class AuditAsked:
    """Which events somebody wants to see. None asks for any."""

    user_id: UUID | None = None
    """Who did it, or whom it was done to."""
    kind: AuditKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Without this very moment."""
    address: str | None = None


@dataclass(frozen=True)
class AuditPage:
    """Some events, the newest first, and where the next page begins."""

    items: Sequence[AuditEvent]
    next_cursor: str | None


async def list_events(read: Reader, *, asked: AuditAsked, limit: int, cursor: str | None) -> AuditPage:
    """Return events, the newest first, a page at a time, at a cost that does not grow with the depth.

    Raises `FieldInvalid` for a cursor that is not one of ours.
    """
    after = (AuditEvent.id < decode_cursor(cursor),) if cursor is not None else ()
    found = await read.entities(_events(asked, *after, order=AuditEvent.id.desc(), limit=limit + 1))
    more = len(found) > limit
    return AuditPage(items=found[:limit], next_cursor=encode_cursor(found[limit - 1].id) if more else None)


async def list_own_events(read: Reader, *, user: CurrentUser, limit: int, cursor: str | None) -> AuditPage:
    """Return what the caller did and what was done to them. Raises as `list_events` does.

    Where somebody else was who did it, with what and in which session, is no business of theirs.
    """
    page = await list_events(read, asked=AuditAsked(user_id=user.id), limit=limit, cursor=cursor)
    return replace(page, items=[_for_owner(event, user.id) for event in page.items])


async def export_events(read: Reader, *, asked: AuditAsked) -> AsyncIterator[AuditEvent]:
    """Yield every event, the oldest first. No connection is held between two batches, nor more than one of them.

    What commits meanwhile may be missing when its id is older than what has been yielded.
    """
    after: tuple[ColumnElement[bool], ...] = ()
    while True:
        found = await read.entities(_events(asked, *after, order=AuditEvent.id.asc(), limit=BATCH))
        for event in found:
            yield event
        if len(found) < BATCH:
            return
        after = (AuditEvent.id > found[-1].id,)


async def record_export(work: Work, *, actor: CurrentUser, asked: AuditAsked) -> None:
    """Record that somebody takes the log away, and which part of it."""
    given = {name: str(value) for name, value in asdict(asked).items() if value is not None}
    await audit.record(work, AuditKind.AUDIT_EXPORTED, actor_id=actor.id, session_id=actor.session_id, detail=given)


async def purge_events(work: Work) -> int:
    """Delete some events that are older than they are kept. Return how many."""
    old = select(AuditEvent.id).where(AuditEvent.id < first_id_at(work.now - work.settings.audit_retention))
    some = old.order_by(AuditEvent.id).limit(BATCH)
    statement = delete(AuditEvent).where(AuditEvent.id.in_(some)).returning(AuditEvent.id)
    statement = statement.execution_options(synchronize_session=False)
    purged = len((await work.db.execute(statement)).all())
    if purged:
        log.info("audit.purged", count=purged)
    return purged


def _events(
    asked: AuditAsked, *conditions: ColumnElement[bool], order: ColumnElement[UUID], limit: int
) -> Select[AuditEvent]:
    """Return the statement for some events. Those of a user are found by two indexes, each as far as is needed."""
    wanted = (*conditions, *_conditions(asked))
    if asked.user_id is None:
        return select(AuditEvent).where(*wanted).order_by(order).limit(limit)
    halves = [
        select(select(AuditEvent.id).where(column == asked.user_id, *wanted).order_by(order).limit(limit).subquery())
        for column in (AuditEvent.target_id, AuditEvent.actor_id)
    ]
    return select(AuditEvent).where(AuditEvent.id.in_(union(*halves))).order_by(order).limit(limit)


def _conditions(asked: AuditAsked) -> Iterator[ColumnElement[bool]]:
    """Times are those of the ids, which every index ends with."""
    if asked.kind is not None:
        yield AuditEvent.kind == asked.kind.value
    if asked.address is not None:
        yield AuditEvent.client_address == asked.address
    if asked.since is not None:
        yield AuditEvent.id >= first_id_at(asked.since)
    if asked.until is not None:
        yield AuditEvent.id < first_id_at(asked.until)


def _for_owner(event: AuditEvent, user_id: UUID) -> AuditEvent:
    if event.actor_id is None or event.actor_id == user_id:
        return event
    shown = {column.key: getattr(event, column.key) for column in AuditEvent.__table__.columns}
    hidden = {"client_address": None, "user_agent": None, "request_id": ""}
    if event.kind != AuditKind.SESSION_ENDED.value:  # That one's session is the owner's; any other's, the actor's.
        hidden["session_id"] = None
    return AuditEvent(**shown | hidden)
