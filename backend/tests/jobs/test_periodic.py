"""Jobs of a server that serves: they go on whatever happens, and stop with it."""

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.exceptions import DatabaseUnavailable
from app.jobs import periodic
from app.jobs.periodic import Job, jobs_running
from app.runtime import Runtime
from tests.conftest import settings_for
from tests.instances import instance
from tests.journeys.server import free_port
from tests.rows import write

SOON = timedelta(milliseconds=1)


class Rounds:
    """A job that counts its rounds, and goes wrong in some of them."""

    def __init__(self, *accidents: BaseException) -> None:
        self.count = 0
        self.accidents = list(accidents)
        self.reached = asyncio.Condition()

    async def run(self, _: Runtime) -> None:
        async with self.reached:
            self.count += 1
            self.reached.notify_all()
        if self.accidents:
            raise self.accidents.pop(0)

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(10), self.reached:
            await self.reached.wait_for(lambda: self.count >= count)


async def test_a_job_runs_before_the_server_serves_and_again_and_again(runtime: Runtime) -> None:
    rounds = Rounds()
    async with jobs_running(runtime, [Job("count", SOON, rounds.run)]):
        assert rounds.count >= 1
        await rounds.reach(3)


async def test_a_job_that_fails_is_run_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V16.5.3: whatever went wrong, the loop lives."""
    monkeypatch.setattr(periodic, "RETRY_SECONDS", 0.001)
    rounds = Rounds(DatabaseUnavailable(), ZeroDivisionError(), TimeoutError())
    async with jobs_running(runtime, [Job("count", timedelta(days=1), rounds.run)]):
        await rounds.reach(4)


async def test_one_job_that_fails_stops_no_other(runtime: Runtime) -> None:
    failing, other = Rounds(ZeroDivisionError()), Rounds()
    async with jobs_running(runtime, [Job("fail", SOON, failing.run), Job("count", SOON, other.run)]):
        await other.reach(3)


async def test_jobs_stop_with_the_server(runtime: Runtime) -> None:
    rounds = Rounds()
    before = asyncio.all_tasks()
    async with jobs_running(runtime, [Job("count", SOON, rounds.run)]):
        assert len(asyncio.all_tasks() - before) == 1
    assert asyncio.all_tasks() == before


async def test_a_job_that_hangs_does_not_keep_the_server_from_starting(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V16.5.2"""
    monkeypatch.setattr(periodic, "START_PATIENCE_SECONDS", 0.01)

    async def hang(_: Runtime) -> None:
        await asyncio.Event().wait()

    async with jobs_running(runtime, [Job("hang", SOON, hang)]):
        pass


async def test_a_server_starts_without_its_database() -> None:
    """V16.5.2: it says "not ready" until the database is there."""
    async with instance(settings_for(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")) as alone:
        assert (await alone.http.get("/health")).status_code == 200
        assert (await alone.http.get("/health/ready")).status_code == 503


async def test_a_server_starts_on_a_schema_that_lacks_its_table(runtime: Runtime) -> None:
    """S97: it is not ready, and says so instead of dying in a loop."""
    await write(runtime, text("DROP TABLE signing_keys"))
    async with instance(runtime.settings) as second:
        assert (await second.http.get("/health")).status_code == 200


async def test_who_acts_for_a_job_is_told_apart_in_the_log() -> None:
    """V16.2.1"""
    one, other = periodic.job_client("signing-keys"), periodic.job_client("signing-keys")
    assert one.user_agent == "ostiary job signing-keys"
    assert re.fullmatch(r"[0-9a-f]{32}", one.request_id)
    assert one.request_id != other.request_id
