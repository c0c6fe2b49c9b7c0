"""Sees to it that a former server secret is not needed for long: seeds of authenticator apps are sealed under the present one."""

from datetime import timedelta
from uuid import UUID

import structlog

from app.jobs.periodic import Job, job_client
from app.runtime import Runtime
from app.services.second_factors import resealing

log = structlog.get_logger()

NAME = "reseal-seeds"


class Resealer:
    """Looks for seeds that another secret has sealed. It says how many cannot be read when that number changes."""

    def __init__(self) -> None:
        self._told = 0

    async def reseal(self, runtime: Runtime) -> None:
        """Go once through all of them, a batch in each transaction. Raises `DatabaseUnavailable`."""
        after: UUID | None = None
        unreadable = 0
        while True:
            async with runtime.database.begin(job_client(NAME)) as work:
                done = await resealing.reseal_some(work, after=after)
            unreadable += done.unreadable
            if done.looked_at < resealing.BATCH:
                break
            after = done.last_id
        if unreadable and unreadable != self._told:
            log.error("totp.unreadable_seeds", number=unreadable, hint="does SECRET_KEY_PREVIOUS lack a former secret?")
        self._told = unreadable


RESEAL_SEEDS = Job(NAME, timedelta(minutes=10), Resealer().reseal)
"""One statement that finds nothing, as long as the secret stays the same."""
