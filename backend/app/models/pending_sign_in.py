"""A sign-in whose first factor has been proved, and that lacks a second one."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class PendingSignIn(Base):
    """What was proved, by whom, and until when it may be finished. Finishing it deletes it."""

    __tablename__ = "pending_sign_ins"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    methods: Mapped[str] = mapped_column(String(100))
    """How the first factor was proved (RFC 8176)."""
    authenticated_at: Mapped[datetime | None]
    """When. None: nobody knows."""
    transport: Mapped[str] = mapped_column(String(10))
    stage: Mapped[str] = mapped_column(String(20))
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
