"""Deletes what is over for good, so that the tables stay as large as what they are for."""

import structlog
from sqlalchemy import delete, select

from app.database import Work
from app.models import Session

log = structlog.get_logger()

BATCH = 1000
"""Sessions that one statement deletes, so that no transaction lasts long."""


async def purge_sessions(work: Work) -> int:
    """Delete some sessions that were to end longer ago than they are kept, with their stories. Return how many.

    What somebody ended early is kept until then as well: its owner may still ask why.
    """
    before = work.now - work.settings.session_history
    over = select(Session.id).where(Session.expires_at < before).limit(BATCH)
    statement = delete(Session).where(Session.id.in_(over)).returning(Session.id)
    statement = statement.execution_options(synchronize_session=False)
    purged = len((await work.db.execute(statement)).all())
    if purged:
        log.info("sessions.purged", count=purged)
    return purged
