"""Deletes what finished sign-ins through providers have left behind."""

from datetime import timedelta

from app.jobs.periodic import Job, job_client
from app.runtime import Runtime
from app.services.federation.purge import BATCH, purge_arrivals

NAME = "purge-arrivals"


async def purge_old_arrivals(runtime: Runtime) -> None:
    """Delete them batch by batch, each in a transaction of its own. Raises `DatabaseUnavailable`."""
    purged = BATCH
    while purged == BATCH:
        async with runtime.database.begin(job_client(NAME)) as work:
            purged = await purge_arrivals(work)


PURGE_ARRIVALS = Job(NAME, timedelta(minutes=10), purge_old_arrivals)
