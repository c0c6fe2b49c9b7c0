"""Jobs of a server that serves: they go on whatever happens, and stop with it."""

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.exceptions import DatabaseUnavailable
from app.jobs import periodic
from app.jobs.periodic import Job, jobs_running
from app.models import JobRun
from app.runtime import Runtime
from app.services.job_runs import read_job_runs
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
    async with jobs_running(runtime, [Job("count", SOON, rounds.run, at_start=True)]):
        assert rounds.count >= 1
        await rounds.reach(3)


async def test_a_job_that_fails_is_run_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V16.5.3: whatever went wrong, the loop lives."""
    monkeypatch.setattr(periodic, "RETRY_SECONDS", 0.001)
    rounds = Rounds(DatabaseUnavailable(), ZeroDivisionError(), TimeoutError())
    async with jobs_running(runtime, [Job("count", timedelta(days=1), rounds.run, at_start=True)]):
        await rounds.reach(4)


async def test_one_job_that_fails_stops_no_other(runtime: Runtime) -> None:
    failing, other = Rounds(ZeroDivisionError()), Rounds()
    async with jobs_running(runtime, [Job("fail", SOON, failing.run), Job("count", SOON, other.run)]):
        await other.reach(3)


async def test_jobs_stop_with_the_server(runtime: Runtime) -> None:
    rounds = Rounds()
    before = asyncio.all_tasks()
    async with jobs_running(runtime, [Job("count", SOON, rounds.run, at_start=True)]):
        assert len(asyncio.all_tasks() - before) == 1
    assert asyncio.all_tasks() == before


async def test_a_job_that_hangs_does_not_keep_the_server_from_starting(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V16.5.2"""
    monkeypatch.setattr(periodic, "START_PATIENCE_SECONDS", 0.01)

    async def hang(_: Runtime) -> None:
        await asyncio.Event().wait()

    async with jobs_running(runtime, [Job("hang", SOON, hang, at_start=True)]):
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


async def test_a_round_that_takes_too_long_is_given_up_and_the_next_one_comes(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.9-05, 3.9-06: what hangs today must not hang for ever."""
    monkeypatch.setattr(periodic, "RETRY_SECONDS", 0.001)
    rounds = Rounds()

    async def hang(_: Runtime) -> None:
        await rounds.run(runtime)
        await asyncio.Event().wait()

    async with jobs_running(runtime, [Job("hang", SOON, hang, within=SOON, at_start=True)]):
        await rounds.reach(3)
    run = await run_of(runtime, "hang")
    assert (run.runs, run.cause, run.succeeded_at) == (0, "TimeoutError", None)
    assert run.failures >= 2


async def test_a_job_can_be_woken_before_its_time(runtime: Runtime) -> None:
    rounds, bell = Rounds(), asyncio.Event()

    async def ring(_: Runtime) -> None:
        await bell.wait()
        bell.clear()

    async with jobs_running(runtime, [Job("woken", timedelta(days=1), rounds.run, woken_by=ring, at_start=True)]):
        assert rounds.count == 1
        bell.set()
        await rounds.reach(2)


async def test_a_job_that_fails_again_and_again_waits_longer_each_time() -> None:
    """3.9-06: it fills neither the log nor a core."""
    waits = [periodic.retry_seconds(failures) for failures in range(1, 100)]
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == periodic.LONGEST_RETRY_SECONDS


async def test_how_jobs_are_doing_is_written_down_for_all_processes_together(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V16.2.1: the last success, how long it took, and how often and by what it failed."""
    monkeypatch.setattr(periodic, "RETRY_SECONDS", 0.001)
    for _ in range(2):
        rounds = Rounds(ZeroDivisionError("secret"))
        async with jobs_running(runtime, [Job("count", timedelta(days=1), rounds.run, at_start=True)]):
            await rounds.reach(2)  # A failure is written down before the next round begins.
    run = await run_of(runtime, "count")
    assert (run.failures, run.cause) == (2, "ZeroDivisionError")
    assert run.failed_at is not None


async def test_rounds_that_end_well_are_written_down_once_a_minute(runtime: Runtime) -> None:
    """A job that looks every second must not write every second."""
    rounds = Rounds()
    async with jobs_running(runtime, [Job("often", SOON, rounds.run, at_start=True)]):
        await rounds.reach(20)
    run = await run_of(runtime, "often")
    assert (run.runs, run.failures, run.failed_at, run.cause) == (1, 0, None, None)
    assert run.succeeded_at is not None
    assert run.milliseconds is not None


async def run_of(runtime: Runtime, name: str) -> JobRun:
    (run,) = [run for run in await read_job_runs(runtime.database.read) if run.name == name]
    return run
