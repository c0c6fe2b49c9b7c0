"""An app that makes codes (RFC 6238)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, and_, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base

_COUNTS, _UNCONFIRMED = text("confirmed_at IS NOT NULL AND replaced_at IS NULL"), text("confirmed_at IS NULL")


class TotpAuthenticator(Base):
    """The seed that an account shares with an app. It counts once a code of the app has been shown; one in all, and one to be.

    One that another has replaced is kept aside for as long as that can be undone.
    """

    __tablename__ = "totp_authenticators"
    __table_args__ = (
        Index(
            "uq_totp_authenticators_counts",
            "user_id",
            unique=True,
            postgresql_where=_COUNTS,
            sqlite_where=_COUNTS,
        ),
        Index(
            "uq_totp_authenticators_unconfirmed",
            "user_id",
            unique=True,
            postgresql_where=_UNCONFIRMED,
            sqlite_where=_UNCONFIRMED,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    seed_encrypted: Mapped[bytes]
    """Sealed for this row alone: it opens nowhere else."""
    sealed_with: Mapped[str] = mapped_column(String(16), index=True)
    """Names the key, so that what an older secret has sealed is found and sealed anew."""
    last_step: Mapped[int] = mapped_column(BigInteger, default=-1)
    """The time step of the last code that was accepted. No code of it, or of one before it, counts again."""
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong codes since the last right one."""
    failed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """When a code of it was shown. None: it counts for nothing."""
    replaced_at: Mapped[datetime | None]
    """When another app took its place. It counts for nothing, unless that is undone."""
    last_used_at: Mapped[datetime | None]

    @hybrid_property
    def counts(self) -> bool:
        """Whether it is the app that the account has."""
        return self.confirmed_at is not None and self.replaced_at is None

    @counts.inplace.expression
    @classmethod
    def _counts(cls) -> ColumnElement[bool]:
        return and_(cls.confirmed_at.is_not(None), cls.replaced_at.is_(None))
