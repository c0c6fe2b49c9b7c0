"""Somebody at an identity provider, who is a user here."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class Identity(Base):
    """A way in. Issuer and subject are the key; what the provider says beyond them is a note that may change."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(String(500))
    """In the one spelling of the provider's that is kept."""
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254))
    """What the provider said when it was last used. Nobody is found by it."""
    email_verified: Mapped[bool]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
