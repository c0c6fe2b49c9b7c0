"""A browser in which somebody has proved a second factor, and is not asked for it again for a while."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class RememberedDevice(Base):
    """One browser. It stands for the second factor alone: the first one is asked for as ever."""

    __tablename__ = "remembered_devices"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    device: Mapped[str] = mapped_column(String(100))
    """What the browser calls itself: nothing is decided by it."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
