from datetime import timedelta

from app.jobs.periodic import Job, jobs_running
from app.runtime import Runtime
from app.services.job_runs import read_job_runs
from tests.statements import recorded_statements


async def test_what_a_job_writes_down_is_no_statement_of_a_request(runtime: Runtime) -> None:
    """A job's first round, at a time that chance chooses, would make two requests look unequal."""

    async def look(held: Runtime) -> None:
        await read_job_runs(held.database.read)

    with recorded_statements(runtime) as statements:
        async with jobs_running(runtime, [Job("look", timedelta(days=1), look, at_start=True)]):
            pass
        assert statements == []
        await read_job_runs(runtime.database.read)
        assert len(statements) == 1
