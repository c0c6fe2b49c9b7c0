"""Runs jobs again and again for as long as the server serves. Each worker runs each job: a job must bear company."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from app.auth.identifiers import new_id
from app.database import Client
from app.exceptions import DatabaseUnavailable
from app.runtime import Runtime

log = structlog.get_logger()

RETRY_SECONDS = 2.0
"""After a failure, such as a database that is away."""
START_PATIENCE_SECONDS = 10
"""How long the start waits for the first round of all jobs. They go on afterwards."""


@dataclass(frozen=True)
class Job:
    """Something to be done at the start and then every so often, a tenth sooner or later."""

    name: str
    every: timedelta
    run: Callable[[Runtime], Awaitable[None]]


@asynccontextmanager
async def jobs_running(runtime: Runtime, jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Run each job once, then every so often until the block ends. A job that fails stops neither start nor server."""
    firsts = [asyncio.Event() for _ in jobs]
    tasks = [asyncio.create_task(_repeat(job, runtime, first)) for job, first in zip(jobs, firsts, strict=True)]
    try:
        await _wait_for(firsts)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def job_client(name: str) -> Client:
    """Return who acts when a job does."""
    return Client(address=None, user_agent=f"ostiary job {name}", request_id=new_id().hex)


async def _wait_for(firsts: Sequence[asyncio.Event]) -> None:
    try:
        async with asyncio.timeout(START_PATIENCE_SECONDS):
            for first in firsts:
                await first.wait()
    except TimeoutError:
        log.warning("jobs.slow_start", seconds=START_PATIENCE_SECONDS)


async def _repeat(job: Job, runtime: Runtime, first: asyncio.Event) -> None:
    while True:
        seconds = job.every.total_seconds() * random.uniform(0.9, 1.1)  # noqa: S311  # Workers must not march in step.
        try:
            await job.run(runtime)
        except DatabaseUnavailable:
            log.warning("job.postponed", job=job.name, reason="the database does not answer")
            seconds = RETRY_SECONDS
        except Exception:  # The outermost loop: whatever went wrong, the next round comes.
            log.exception("job.failed", job=job.name)
            seconds = RETRY_SECONDS
        first.set()
        await asyncio.sleep(seconds)
