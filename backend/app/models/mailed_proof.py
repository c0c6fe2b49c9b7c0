"""What a mail carries so that whoever reads it can prove to: a link, and often a code that says the same."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base

ONE_LIVE = text("purpose NOT IN ('undo', 'veto_address', 'sign_in', 'change_address')")
"""Purposes of which an address has one value at a time: the newest mail is the one that counts."""


class Purpose(StrEnum):
    """What a mailed value is good for. One of another purpose is worth nothing there."""

    VERIFY_ADDRESS = "verify_address"
    RESET_PASSWORD = "reset_password"
    CHANGE_ADDRESS = "change_address"
    VETO_ADDRESS = "veto_address"
    SIGN_IN = "sign_in"
    INVITATION = "invitation"
    UNDO = "undo"


class MailedProof(Base):
    """One value that was mailed and not used yet. Using it deletes the row."""

    __tablename__ = "mailed_proofs"
    __table_args__ = (
        Index(
            "uq_mailed_proofs_purpose_email_normal",
            "purpose",
            "email_normal",
            unique=True,
            postgresql_where=ONE_LIVE,
            sqlite_where=ONE_LIVE,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    purpose: Mapped[str] = mapped_column(String(20))
    email_normal: Mapped[str] = mapped_column(String(254))
    """The address that the mail went to, in normal form."""
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """None: there is no account yet."""
    link_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    code_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """A MAC under a server key, because eight digits are soon tried. None: there is a link alone."""
    tries: Mapped[int] = mapped_column(default=0)
    """How many codes have been tried. The link counts on when they are used up: nobody guesses it."""
    binding_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    """Of what the browser keeps that asked for the mail. None: any browser will do."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    detail: Mapped[Mapping[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What its journey has to remember, such as the address of before."""
