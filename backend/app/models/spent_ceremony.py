"""Challenges that a passkey has answered: none is answered twice."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class SpentCeremony(Base):
    """One answered challenge. Only a right answer gets a row, so that nobody fills the table by beginning."""

    __tablename__ = "spent_ceremonies"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the ceremony itself has ended, so that the row says nothing any more."""
