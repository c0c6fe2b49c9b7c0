"""A public key that one of a user's devices, or all of them, hold the private half of (WebAuthn Level 3)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class Passkey(Base):
    """A credential record (WebAuthn Level 3, section 4). Its type is `public-key`: there is no other."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes]
    """In COSE form (RFC 9052)."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    is_uv_initialized: Mapped[bool]
    """Whether the device has ever verified its user with it."""
    is_discoverable: Mapped[bool] = mapped_column(default=False)
    """Whether its device finds it without an address: as the browser said, which nobody has signed, or since it has done so."""
    transports: Mapped[str] = mapped_column(String(200))
    """By which ways its device is reached, as the browser said, with spaces between."""
    is_backup_eligible: Mapped[bool]
    """Whether its owner's devices may share it. It never changes."""
    is_backed_up: Mapped[bool]
    aaguid: Mapped[UUID]
    """The model of its device, by its own word; zero: it does not say."""
    name: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]

    @hybrid_property
    def signs_in_alone(self) -> bool:
        """Whether it is a way in for an account that has no other: it is found without an address, and is two factors in one."""
        return self.is_discoverable & self.is_uv_initialized
