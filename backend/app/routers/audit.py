"""The audit log: one's own part of it, and all of it for those who may read it."""

import json
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from app.auth.actor import CurrentUser
from app.auth.dependencies import ReaderDep, SignedIn, WorkDep, require
from app.config import API_PREFIX
from app.models import AuditEvent, AuditKind
from app.schemas.audit import AuditEventListResponse, AuditEventResponse
from app.services import audit_trail
from app.services.audit_trail import AuditAsked

router = APIRouter(prefix=API_PREFIX, tags=["audit"])

MEDIA_TYPE = "application/jsonl"
_HEADERS = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")]


async def audit_asked(
    user_id: Annotated[UUID | None, Query(description="Who did it, or whom it was done to.")] = None,
    kind: Annotated[AuditKind | None, Query(description="What happened.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="From this moment on.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this moment.")] = None,
    address: Annotated[str | None, Query(max_length=45, pattern=r"^[0-9A-Fa-f:.]+$", description="Where from.")] = None,
) -> AuditAsked:
    """Return which events somebody wants to see."""
    return AuditAsked(user_id=user_id, kind=kind, since=since, until=until, address=address)


AskedDep = Annotated[AuditAsked, Depends(audit_asked)]


@router.get("/auth/me/events")
async def list_own_events(
    user: SignedIn, read: ReaderDep, limit: Limit = 50, cursor: Cursor = None
) -> AuditEventListResponse:
    """List what you did and what was done to your account, the newest first: failed sign-ins, too."""
    return AuditEventListResponse.of(await audit_trail.list_own_events(read, user=user, limit=limit, cursor=cursor))


@router.get("/audit/events", dependencies=[Depends(require(audit_trail.READ))])
async def list_events(
    asked: AskedDep, read: ReaderDep, limit: Limit = 50, cursor: Cursor = None
) -> AuditEventListResponse:
    """Search the audit log, the newest first."""
    return AuditEventListResponse.of(await audit_trail.list_events(read, asked=asked, limit=limit, cursor=cursor))


@router.get(
    "/audit/events.jsonl",
    response_class=StreamingResponse,
    responses={200: {"content": {MEDIA_TYPE: {}}, "description": "One event a line, the oldest first."}},
)
async def export_events(
    asked: AskedDep, user: Annotated[CurrentUser, Depends(require(audit_trail.READ))], work: WorkDep, read: ReaderDep
) -> StreamingResponse:
    """Export the audit log as JSON lines. Who exported it stands in it, before the first line leaves."""
    await audit_trail.record_export(work, actor=user, asked=asked)
    events = audit_trail.export_events(read, asked=asked)
    return StreamingResponse(_lines(events), media_type=MEDIA_TYPE, headers=_HEADERS)


async def _lines(events: AsyncIterator[AuditEvent]) -> AsyncIterator[str]:
    async for event in events:
        # In ASCII: some readers take U+2028, which a client may have sent, for the end of a line.
        yield json.dumps(AuditEventResponse.model_validate(event).model_dump(mode="json")) + "\n"
