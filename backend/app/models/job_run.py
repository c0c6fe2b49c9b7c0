"""How the server's own jobs are doing."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class JobRun(Base):
    """One job, summed up over every process that runs it."""

    __tablename__ = "job_runs"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    runs: Mapped[int]
    """Rounds that ended well."""
    failures: Mapped[int]
    succeeded_at: Mapped[datetime | None]
    """When a round last ended well, to within a minute."""
    failed_at: Mapped[datetime | None]
    cause: Mapped[str | None] = mapped_column(String(100))
    """Of the last failure: the name of the exception, because its text may hold anything."""
    milliseconds: Mapped[int | None]
    """How long the last round took that ended well."""
