"""A person with an account."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base
from app.models.role import ORDINARY


class User(Base):
    """An account. Its address in normal form is unique; the address as typed is what mail is sent to."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_email_normal", "email_normal", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(254))
    email_normal: Mapped[str] = mapped_column(String(254))
    email_verified_at: Mapped[datetime | None]
    """When somebody last proved that the address is theirs. None: whoever registered only wrote it."""
    full_name: Mapped[str | None] = mapped_column(String(200))
    search_text: Mapped[str] = mapped_column(String(500))
    """Address and name in lower case, for the administrators' search only."""
    password_hash: Mapped[str | None] = mapped_column(String(500))
    """None: this account has no password, and none signs it in."""
    locale: Mapped[str | None] = mapped_column(String(20))
    """The language that mail is written in, such as `de`. None: DEFAULT_LOCALE."""
    is_active: Mapped[bool] = mapped_column(default=True)
    has_second_factor: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the account has a confirmed authenticator app or a passkey: written with each change of them."""
    must_enrol_factor: Mapped[bool] = mapped_column(default=False, server_default=false())
    """An administrator has taken the account's second factors away: another one comes before the next session."""
    passkey_handle: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """What passkeys know the account by: random, and the same for all of them. None: it has never had one."""
    role_name: Mapped[str] = mapped_column(ForeignKey("roles.name"), default=ORDINARY, index=True)
    device_generation: Mapped[int] = mapped_column(server_default="0")
    """Which device cookies count: those that carry this number. One more makes strangers of all devices."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def email_verified(self) -> bool:
        """Whether somebody has proved that the address is theirs."""
        return self.email_verified_at is not None

    @property
    def may_hold_anothers(self) -> bool:
        """Whether somebody else may have put something into it: nobody has ever proved that its address is theirs.

        Whoever was given more than the ordinary role was vouched for by an administrator.
        """
        return self.email_verified_at is None and self.role_name == ORDINARY
