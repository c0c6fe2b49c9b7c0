"""A key pair that signs, signed or will sign access tokens."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class StoredKey(Base):
    """The private half, sealed, and when it signs. The public half is not stored: it is worked out from this one.

    So nobody who can only write to the database can add a key of their own, or put one in the place of another.
    """

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The thumbprint of the public half (RFC 7638)."""
    algorithm: Mapped[str] = mapped_column(String(10))
    generation: Mapped[int] = mapped_column(unique=True)
    """Counts up. Of many workers that add the next one, the first wins."""
    private_key_sealed: Mapped[bytes | None]
    """None once it is retired."""
    created_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    retired_at: Mapped[datetime | None]
