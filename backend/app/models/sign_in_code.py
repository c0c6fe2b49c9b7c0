"""What a browser brings from the callback to the front end, which trades it for a session."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class SignInCode(Base):
    """A one-time code. It dies with the identity that it came from."""

    __tablename__ = "sign_in_codes"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    binding: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of what only the front end, or the browser, that began the sign-in can show."""
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    identity_id: Mapped[UUID] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), index=True)
    authenticated_at: Mapped[datetime | None]
    """When the user proved to the provider who they are, where that is known."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
