"""Sessions as their owners and administrators see them."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from app.auth.transports import Transport
from app.models import EndCause, Session, SessionEventKind
from app.schemas.base import ResponseModel
from app.services.sessions.overview import SessionPage, TimelineEntry
from app.services.sessions.state import end_cause_of, end_of


class SessionResponse(ResponseModel):
    """A session: where it was begun, with what, and whether it still lives."""

    id: UUID
    is_current: bool = Field(description="Whether this very request came with it.")
    transport: Transport
    device: str | None = Field(description="What the user agent says it is. It can lie.", examples=["Firefox on Linux"])
    client_address: str | None = Field(description="Where the sign-in came from.")
    last_address: str | None = Field(description="Where it was last used from.")
    methods: list[str] = Field(description="How its user proved who they are (RFC 8176).", examples=[["pwd"]])
    created_at: datetime
    authenticated_at: datetime = Field(description="When they last did; 1970 if their provider does not say.")
    last_seen_at: datetime = Field(description="When it was last used, to within a few minutes.")
    idle_expires_at: datetime = Field(description="When it ends if it is not used.")
    expires_at: datetime = Field(description="When it ends whatever happens.")
    ended_at: datetime | None
    end_cause: EndCause | None = Field(description="Why it ended; null while it lives.", examples=["logout"])

    @classmethod
    def of(cls, session: Session, *, current: UUID, now: datetime) -> Self:
        """Return a session as it is now: time ends one without a trace in its row."""
        cause = end_cause_of(session, now)
        return cls(
            id=session.id,
            is_current=session.id == current,
            transport=Transport(session.transport),
            device=session.device,
            client_address=session.client_address,
            last_address=session.last_address,
            methods=session.methods.split(" "),
            created_at=session.created_at,
            authenticated_at=session.authenticated_at,
            last_seen_at=session.last_seen_at,
            idle_expires_at=session.idle_expires_at,
            expires_at=session.expires_at,
            ended_at=end_of(session, now),
            end_cause=EndCause(cause) if cause else None,
        )


class SessionListResponse(ResponseModel):
    """A page of sessions, the newest first."""

    items: list[SessionResponse]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")

    @classmethod
    def of(cls, page: SessionPage, *, current: UUID, now: datetime) -> Self:
        """Return a page as it is now."""
        items = [SessionResponse.of(session, current=current, now=now) for session in page.items]
        return cls(items=items, next_cursor=page.next_cursor)


class TimelineEntryResponse(ResponseModel):
    """One thing that happened to a session."""

    at: datetime
    event: SessionEventKind
    detail: str | None = Field(description="What the event leaves open, such as the cause of an end.")
    client_address: str | None = Field(description="Where it came from.")
    actor_id: UUID | None = Field(description="Who did it, if it was not the session's owner.")
    count: int | None = Field(description="How often, where the last time stands for all: refreshes.")


class SessionStoryResponse(ResponseModel):
    """A session and what happened to it, in its order: the answer to "why was I signed out?"."""

    session: SessionResponse
    timeline: list[TimelineEntryResponse]

    @classmethod
    def of(cls, session: Session, timeline: list[TimelineEntry], *, current: UUID, now: datetime) -> Self:
        """Return a story as it is now."""
        return cls(
            session=SessionResponse.of(session, current=current, now=now),
            timeline=[TimelineEntryResponse.model_validate(entry) for entry in timeline],
        )
