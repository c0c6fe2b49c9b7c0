"""Deletes what sign-ins through providers have left behind and nobody can use any more."""

from datetime import timedelta

from sqlalchemy import delete, select

from app.database import Work
from app.models import SignInCode, SpentFlow

BATCH = 1000
"""Rows that one statement deletes, so that no transaction lasts long."""
MARGIN = timedelta(minutes=5)
"""A flow must be forgotten later than it ends, on every server, however its clock goes."""


async def purge_arrivals(work: Work) -> int:
    """Delete some spent flows and one-time codes whose time is over. Return how many of that kind of which there are more."""
    counts = []
    for model in (SpentFlow, SignInCode):
        over = select(model.digest).where(model.expires_at < work.now - MARGIN).limit(BATCH)
        statement = delete(model).where(model.digest.in_(over)).returning(model.digest)
        statement = statement.execution_options(synchronize_session=False)
        counts.append(len((await work.db.execute(statement)).all()))
    return max(counts)
