"""Deletes audit events that are older than they are kept."""

from datetime import timedelta

from app.jobs.periodic import Job, job_client
from app.runtime import Runtime
from app.services.audit_trail import BATCH, purge_events

NAME = "purge-audit"


async def purge_old_events(runtime: Runtime) -> None:
    """Delete them batch by batch, each in a transaction of its own. Raises `DatabaseUnavailable`."""
    purged = BATCH
    while purged == BATCH:
        async with runtime.database.begin(job_client(NAME)) as work:
            purged = await purge_events(work)


PURGE_AUDIT = Job(NAME, timedelta(hours=1), purge_old_events)
