"""Deletes sessions that have been over for long."""

from datetime import timedelta

from app.jobs.periodic import Job, job_client
from app.runtime import Runtime
from app.services.sessions.purge import BATCH, purge_sessions

NAME = "purge-sessions"


async def purge_old_sessions(runtime: Runtime) -> None:
    """Delete them batch by batch, each in a transaction of its own. Raises `DatabaseUnavailable`."""
    purged = BATCH
    while purged == BATCH:
        async with runtime.database.begin(job_client(NAME)) as work:
            purged = await purge_sessions(work)


PURGE_SESSIONS = Job(NAME, timedelta(hours=1), purge_old_sessions)
