"""Deletes what nobody needs any more: of each kind a batch at a time, each in a transaction of its own."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from app.database import Work
from app.jobs.periodic import Job, job_client
from app.limits import database as limits
from app.runtime import Runtime
from app.services import audit_trail, outbox
from app.services.federation import purge as arrivals
from app.services.mailed import proofs
from app.services.second_factors import purge as second_factors
from app.services.sessions import purge as sessions

_TEN_MINUTES, _HOUR = timedelta(minutes=10), timedelta(hours=1)


def purge_job(name: str, every: timedelta, purge: Callable[[Work], Awaitable[int]], *, batch: int) -> Job:
    """Return a job that calls `purge` until it has deleted less than a `batch`. A round raises `DatabaseUnavailable`."""
    return Job(name, every, partial(_purge_all, name, purge, batch))


async def _purge_all(name: str, purge: Callable[[Work], Awaitable[int]], batch: int, runtime: Runtime) -> None:
    purged = batch
    while purged >= batch:
        async with runtime.database.begin(job_client(name)) as work:
            purged = await purge(work)


PURGE_SESSIONS = purge_job("purge-sessions", _HOUR, sessions.purge_sessions, batch=sessions.BATCH)
PURGE_ARRIVALS = purge_job("purge-arrivals", _TEN_MINUTES, arrivals.purge_arrivals, batch=arrivals.BATCH)
PURGE_AUDIT = purge_job("purge-audit", _HOUR, audit_trail.purge_events, batch=audit_trail.BATCH)
PURGE_LIMITS = purge_job("purge-limits", _TEN_MINUTES, limits.purge_buckets, batch=limits.BATCH)
PURGE_MAIL = purge_job("purge-mail", _HOUR, outbox.purge_mails, batch=outbox.PURGED_AT_ONCE)
PURGE_MAILED_PROOFS = purge_job("purge-mailed-proofs", _TEN_MINUTES, proofs.purge_proofs, batch=proofs.BATCH)
PURGE_SECOND_FACTORS = purge_job(
    "purge-second-factors", _TEN_MINUTES, second_factors.purge_leftovers, batch=second_factors.BATCH
)
