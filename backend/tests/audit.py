"""Looks into the audit log, and puts old events there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from app.auth.identifiers import first_id_at, new_id
from app.models import AuditEvent, AuditKind, Outcome
from app.runtime import Runtime
from tests.accounts import Person
from tests.rows import write


async def events_of(runtime: Runtime, kind: AuditKind) -> Sequence[AuditEvent]:
    """Return every event of a kind, in its order."""
    return await runtime.database.read.entities(
        select(AuditEvent).where(AuditEvent.kind == kind.value).order_by(AuditEvent.id)
    )


async def event_of(runtime: Runtime, kind: AuditKind) -> AuditEvent:
    """Return the one event of a kind."""
    (event,) = await events_of(runtime, kind)
    return event


async def all_events(runtime: Runtime) -> Sequence[AuditEvent]:
    return await runtime.database.read.entities(select(AuditEvent).order_by(AuditEvent.id))


async def add_events(runtime: Runtime, *moments: datetime, **values: object) -> list[UUID]:
    """Add events of these moments, each with these values. Return their ids."""
    same = {"kind": AuditKind.SIGN_IN_FAILED.value, "outcome": Outcome.REFUSED.value, "request_id": "long ago"}
    ids = [UUID(int=first_id_at(moment).int | new_id().int & (1 << 62) - 1) for moment in moments]
    rows = [{**same, **values, "id": event_id, "at": moment} for event_id, moment in zip(ids, moments, strict=True)]
    for some in (rows[i : i + 500] for i in range(0, len(rows), 500)):
        await write(runtime, insert(AuditEvent).values(some))
    return ids


async def own_events(person: Person, **query: Any) -> list[dict[str, Any]]:
    """Return the first page of what somebody sees of their own."""
    answer = await person.get("/auth/me/events", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def kinds(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]
