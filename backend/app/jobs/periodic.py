"""Runs jobs again and again for as long as a process lives. Each process runs each job: a job must bear company."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from app.auth.identifiers import new_id
from app.database import Client
from app.exceptions import DatabaseUnavailable
from app.runtime import Runtime
from app.services.job_runs import NOTED_EVERY, Rounds, note_rounds

log = structlog.get_logger()

TASK_NAME = "job "
"""What the name of each job's task begins with."""
WOKEN_WITHIN_SECONDS = 0.5
"""How long at most after its bell a job begins."""
RETRY_SECONDS = 2.0
"""After a failure, such as a database that is away; twice as long after each further one in a row."""
LONGEST_RETRY_SECONDS = 300.0
START_PATIENCE_SECONDS = 10
"""How long the start waits for the first rounds that belong to it. They go on afterwards."""
SETTLING_SECONDS = 60.0
"""After half of this, and within all of it, every other job has its first round: processes that start together do not
all begin at once."""


@dataclass(frozen=True)
class Job:
    """Something to be done every so often, a tenth sooner or later."""

    name: str
    every: timedelta
    run: Callable[[Runtime], Awaitable[None]]
    within: timedelta = timedelta(minutes=10)
    """How long one round may take. One that takes longer is given up, and counts as failed."""
    woken_by: Callable[[Runtime], Awaitable[object]] | None = None
    """What ends the wait for the next round early, if anything does: an event of this process's."""
    at_start: bool = False
    """Whether its first round belongs to the start, which waits for it. Every other job waits a little first: processes
    that start together, after a deployment, have enough to do."""


@asynccontextmanager
async def jobs_running(runtime: Runtime, jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Run each job every so often until the block ends, those of the start at once. One that fails stops nothing."""
    loops = [_Loop(job, runtime) for job in jobs]
    tasks = [
        asyncio.create_task(loop.repeat(), name=f"{TASK_NAME}{job.name}") for job, loop in zip(jobs, loops, strict=True)
    ]
    try:
        await _wait_for([loop for loop in loops if loop.at_start])
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def job_client(name: str) -> Client:
    """Return who acts when a job does."""
    return Client(address=None, user_agent=f"ostiary job {name}", request_id=new_id().hex)


def retry_seconds(failures: int) -> float:
    """Return how long to wait after so many failures in a row: a job that cannot work must not fill the log."""
    return min(RETRY_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_RETRY_SECONDS)


async def _wait_for(loops: Sequence["_Loop"]) -> None:
    try:
        async with asyncio.timeout(START_PATIENCE_SECONDS):
            for loop in loops:
                await loop.first_ended.wait()
    except TimeoutError:
        log.warning("jobs.slow_start", seconds=START_PATIENCE_SECONDS)


class _Loop:
    """One job in one process."""

    def __init__(self, job: Job, runtime: Runtime) -> None:
        self.first_ended = asyncio.Event()
        self.at_start = job.at_start
        self._job = job
        self._runtime = runtime
        self._rounds = Rounds()
        self._failed_in_a_row = 0
        self._noted_at: float | None = None

    async def repeat(self) -> None:
        if not self.at_start:
            await self._wait(min(self._job.every.total_seconds(), SETTLING_SECONDS) * random.uniform(0.5, 1))  # noqa: S311
        while True:
            seconds = await self._run_once()
            await self._note()
            self.first_ended.set()
            await self._wait(seconds)

    async def _run_once(self) -> float:
        """Run one round and return after how many seconds the next one is due."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._job.within.total_seconds()):
                await self._job.run(self._runtime)
        except DatabaseUnavailable as error:
            log.warning("job.postponed", job=self._job.name, reason="the database does not answer")
            return self._failed(error, RETRY_SECONDS)
        except Exception as error:  # The outermost loop: whatever went wrong, the next round comes.
            log.exception("job.failed", job=self._job.name)
            return self._failed(error, retry_seconds(self._failed_in_a_row + 1))
        self._failed_in_a_row = 0
        took = round((time.monotonic() - began) * 1000)
        self._rounds = replace(self._rounds, runs=self._rounds.runs + 1, milliseconds=took)
        return self._job.every.total_seconds()

    def _failed(self, error: Exception, seconds: float) -> float:
        self._failed_in_a_row += 1
        self._rounds = replace(self._rounds, failures=self._rounds.failures + 1, cause=type(error).__name__)
        return seconds

    async def _note(self) -> None:
        """Write down how the job is doing, if it is time to. Nothing fails by that."""
        now = time.monotonic()
        is_due = self._noted_at is None or now - self._noted_at >= NOTED_EVERY.total_seconds()
        if not is_due and not self._rounds.failures:
            return
        try:
            async with self._runtime.database.begin(job_client(self._job.name)) as work:
                await note_rounds(work, self._job.name, self._rounds)
        except DatabaseUnavailable:
            return  # Said already where the job itself needs it. The rounds are kept for the next time.
        except Exception:  # A schema that lacks the table, say.
            log.exception("job.not_noted", job=self._job.name)
            return
        self._rounds, self._noted_at = Rounds(), now

    async def _wait(self, seconds: float) -> None:
        """Wait for the next round: a tenth shorter or longer, because processes must not march in step."""
        seconds *= random.uniform(0.9, 1.1)  # noqa: S311  # No secret hangs on it.
        if self._job.woken_by is None or self._failed_in_a_row:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._job.woken_by(self._runtime)
        except TimeoutError:
            return
        # Not at once: the work would slow down the answer that comes next, and a stranger would learn from it that the one
        # before had caused a mail.
        await asyncio.sleep(random.uniform(0, WOKEN_WITHIN_SECONDS))  # noqa: S311
