"""Sign-ins through a provider that have been answered: none is answered twice."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class SpentFlow(Base):
    """One answered flow. Only what a provider has confirmed gets a row, so that nobody fills the table by beginning."""

    __tablename__ = "spent_flows"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the flow itself has ended, so that the row says nothing any more."""
