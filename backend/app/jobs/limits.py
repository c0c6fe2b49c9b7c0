"""Deletes buckets of tries that are full again."""

from datetime import timedelta

from app.jobs.periodic import Job, job_client
from app.limits.database import BATCH, purge_buckets
from app.runtime import Runtime

NAME = "purge-limits"


async def purge_full_buckets(runtime: Runtime) -> None:
    """Delete them batch by batch, each in a transaction of its own. Raises `DatabaseUnavailable`."""
    purged = BATCH
    while purged == BATCH:
        async with runtime.database.begin(job_client(NAME)) as work:
            purged = await purge_buckets(work)


PURGE_LIMITS = Job(NAME, timedelta(minutes=10), purge_full_buckets)
