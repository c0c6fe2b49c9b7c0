"""The audit log as owners of accounts and administrators see it."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from app.models import AuditKind, Outcome
from app.schemas.base import ResponseModel
from app.services.audit_trail import AuditPage


class AuditEventResponse(ResponseModel):
    """One thing that was done, or refused."""

    id: UUID
    at: datetime
    kind: AuditKind
    outcome: Outcome
    cause: str | None = Field(description="Why: the code of a refusal, or the cause of an end.", examples=["logout"])
    actor_id: UUID | None = Field(
        description="The account that it was done as: signed in, or shown by what was mailed to it."
    )
    subject: str | None = Field(description="The address that it is about, where one was typed: masked.")
    target_id: UUID | None = Field(description="The account that it was done to, or aimed at.")
    session_id: UUID | None
    client_address: str | None = Field(description="Where it came from; null where that is not for you to know.")
    user_agent: str | None
    request_id: str
    detail: dict[str, Any] | None = Field(description="What the kind leaves open.")


class AuditEventListResponse(ResponseModel):
    """A page of events, the newest first."""

    items: list[AuditEventResponse]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")

    @classmethod
    def of(cls, page: AuditPage) -> Self:
        """Return a page."""
        return cls.model_validate(page)
