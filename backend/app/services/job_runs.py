"""How the server's own jobs are doing, as every process that runs them has written down, and what is wrong with that."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.database import Reader, Work
from app.models import JobRun
from app.services.examination import Finding

NOTED_EVERY = timedelta(minutes=1)
"""Rounds that end well are noted at most so often by one process; one that does not, at once."""
_LATE = 3
"""So many rounds a job may miss."""
_PATIENCE = timedelta(minutes=5)
"""Beside these, for what takes a while to start, and for `NOTED_EVERY`."""


@dataclass(frozen=True)
class Rounds:
    """What one process has done of one job since it last said so."""

    runs: int = 0
    failures: int = 0
    milliseconds: int | None = None
    """Of the last round that ended well. None: none did."""
    cause: str | None = None
    """Of the last failure."""


async def note_rounds(work: Work, name: str, rounds: Rounds) -> None:
    """Add rounds to what all processes have done of a job."""
    new = {
        "runs": rounds.runs,
        "failures": rounds.failures,
        "succeeded_at": work.now if rounds.runs else None,
        "milliseconds": rounds.milliseconds,
        "failed_at": work.now if rounds.failures else None,
        "cause": rounds.cause,
    }
    insert = postgresql_insert if work.db.get_bind().dialect.name == "postgresql" else sqlite_insert
    statement = insert(JobRun).values(name=name, **new)
    sums = {column: getattr(JobRun, column) + statement.excluded[column] for column in ("runs", "failures")}
    latest = {
        column: func.coalesce(statement.excluded[column], getattr(JobRun, column))
        for column in new
        if column not in sums
    }
    await work.db.execute(statement.on_conflict_do_update(index_elements=["name"], set_={**sums, **latest}))


async def read_job_runs(read: Reader) -> Sequence[JobRun]:
    """Return how every job is doing."""
    return await read.entities(select(JobRun).order_by(JobRun.name))


def job_findings(
    runs: Sequence[JobRun], every: Mapping[str, timedelta], now: datetime, *, apart: Collection[str] = ()
) -> Iterator[Finding]:
    """Say of each job that should run, and how often, when it last did; a fault where that is too long ago.

    `apart` are those that no server runs: a fault already where one has never run and others have.
    """
    known = {run.name: run for run in runs}
    if not known:
        yield Finding("advice", "jobs: none has ever run. Start the server, or `ostiary work` with JOBS=apart")
        return
    for name, interval in every.items():
        run = known.get(name)
        if run is None and name in apart:
            yield Finding("fault", f"job {name}: has never run. With JOBS=apart `ostiary work` runs it")
        elif run is None:
            yield Finding("advice", f"job {name}: has not run yet. It does within a minute of a start")
        elif run.succeeded_at is None or now - run.succeeded_at > _LATE * interval + _PATIENCE:
            yield Finding(
                "fault", f"job {name}: {_state(run)}. Is the server running, or with JOBS=apart `ostiary work`?"
            )
        else:
            yield Finding("ok", f"job {name}: {_state(run)}")


def _state(run: JobRun) -> str:
    well = f"{run.runs} rounds"
    if run.succeeded_at is not None:
        well += f", the last at {run.succeeded_at:%Y-%m-%d %H:%M:%S}Z in {run.milliseconds} ms"
    if run.failed_at is None:
        return well
    return f"{well}; {run.failures} failures, the last at {run.failed_at:%Y-%m-%d %H:%M:%S}Z by {run.cause}"
