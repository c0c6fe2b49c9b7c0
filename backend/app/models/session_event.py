"""What happened to a session that its owner may want to know."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class SessionEventKind(StrEnum):
    """The values are stable: clients and support read them. Of one moment's events, the earlier here comes first."""

    SIGNED_IN = "signed_in"
    SIGNED_IN_ELSEWHERE = "signed_in_elsewhere"
    REFRESHED = "refreshed"
    GRACE_USED = "grace_used"
    NEW_ADDRESS = "new_address"
    PASSWORD_REFUSED = "password_refused"
    REAUTHENTICATED = "reauthenticated"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"
    ENDED = "ended"


class SessionEvent(Base):
    """One line of a session's story. What its row says already, such as the sign-in, is not written down again."""

    __tablename__ = "session_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    detail: Mapped[str | None] = mapped_column(String(100))
    """What the kind leaves open: the cause of an end, the count of a refresh token, what was new."""
    client_address: Mapped[str | None] = mapped_column(String(45))
    actor_id: Mapped[UUID | None]
    """Who did it, if it was not the session's owner. Kept when that account goes."""
