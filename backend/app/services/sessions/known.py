"""A session as a guard reads it, with its account and its role."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Known(NamedTuple):
    """Everything that a guard needs to know of a session, in the order of the statement's columns."""

    id: UUID
    email: str
    full_name: str | None
    is_active: bool
    email_verified: bool
    has_password: bool
    has_second_factor: bool
    role_name: str
    created_at: datetime
    rank: int
    permissions: str
    locale: str | None
    session_id: UUID
    transport: str
    secret_digest: bytes
    former_secret_digest: bytes | None
    refreshed_at: datetime
    began_at: datetime
    authenticated_at: datetime
    methods: str
    idle_expires_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_cause: str | None
    last_seen_at: datetime
