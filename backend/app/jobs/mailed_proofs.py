"""Deletes mailed links and codes whose time is over."""

from datetime import timedelta

from app.jobs.periodic import Job, job_client
from app.runtime import Runtime
from app.services.mailed.proofs import BATCH, purge_proofs

NAME = "purge-mailed-proofs"


async def purge_old_proofs(runtime: Runtime) -> None:
    """Delete them batch by batch, each in a transaction of its own. Raises `DatabaseUnavailable`."""
    purged = BATCH
    while purged == BATCH:
        async with runtime.database.begin(job_client(NAME)) as work:
            purged = await purge_proofs(work)


PURGE_MAILED_PROOFS = Job(NAME, timedelta(minutes=10), purge_old_proofs)
