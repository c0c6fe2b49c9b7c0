"""A mail that is to leave, or has left: a row that is written with what it tells of, and sent after the commit."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base

_WAITING = text("sent_at IS NULL AND given_up_at IS NULL")


class OutgoingMail(Base):
    """One mail to one recipient. What it says is sealed, and gone once it was sent or given up."""

    __tablename__ = "outgoing_mails"
    __table_args__ = (
        Index("ix_outgoing_mails_due_at", "due_at", postgresql_where=_WAITING, sqlite_where=_WAITING),
        Index("ix_outgoing_mails_recipient_digest", "recipient_digest", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(40))
    recipient: Mapped[str] = mapped_column(String(254))
    """The stored address of the account, or the one that is to be proved."""
    recipient_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of its normal form under a server key: by this the mails to one address are counted."""
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    """No foreign key: it would lock the account of whoever gets the mail while the sender's is locked, and two who write to
    each other would wait for each other."""
    locale: Mapped[str] = mapped_column(String(20))
    """The language in which it was written."""
    content_encrypted: Mapped[bytes | None]
    """Subject, text and HTML, sealed for this row. None: it was sent, or given up."""
    message_id: Mapped[str] = mapped_column(String(255))
    """The same at every attempt, so that a mail that arrives twice can be told to be one."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    due_at: Mapped[datetime]
    """Not to be sent before."""
    expires_at: Mapped[datetime]
    """Not to be sent after: its links and codes are dead then, or a day has passed."""
    attempts: Mapped[int] = mapped_column(default=0)
    claim: Mapped[UUID | None]
    """Whose turn it is. Who has lost it meanwhile writes nothing."""
    claimed_until: Mapped[datetime | None]
    """A claim ends by itself, so that a worker that was killed loses no mail."""
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    cause: Mapped[str | None] = mapped_column(String(300))
    """Why the last attempt failed, or why it was given up."""
