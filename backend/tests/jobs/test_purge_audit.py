"""Audit events go when they are older than they are kept, and not a minute earlier."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from app.config import Settings
from app.jobs import periodic
from app.jobs.purges import PURGE_AUDIT
from app.models import AuditEvent
from app.runtime import Runtime
from app.services.audit_trail import BATCH
from tests.audit import add_events
from tests.contention import eventually
from tests.instances import instance
from tests.statements import recorded_statements

A_MINUTE = timedelta(minutes=1)


async def kept(runtime: Runtime) -> list[object]:
    """Return the ids of the events that tests have added."""
    statement = select(AuditEvent.id).where(AuditEvent.kind == "sign_in.failed").order_by(AuditEvent.id)
    return [row.id for row in await runtime.database.read.all(statement)]


@pytest.mark.settings(AUDIT_RETENTION_DAYS=30)
async def test_an_event_is_kept_for_as_long_as_the_setting_says(runtime: Runtime) -> None:
    """V14.2.7, V16.4.2: to the minute."""
    limit = datetime.now(UTC) - timedelta(days=30)
    _, young = await add_events(runtime, limit - A_MINUTE, limit + A_MINUTE)
    await PURGE_AUDIT.run(runtime)
    assert await kept(runtime) == [young]


async def test_many_go_batch_by_batch(runtime: Runtime) -> None:
    """No transaction lasts long: a full batch is followed by another, a smaller one is the last."""
    long_ago = datetime.now(UTC) - timedelta(days=366)
    await add_events(runtime, *[long_ago + timedelta(milliseconds=i) for i in range(2 * BATCH + 1)])
    with recorded_statements(runtime) as seen:
        await PURGE_AUDIT.run(runtime)
    assert sum(statement.startswith("DELETE FROM audit_events") for statement in seen) == 3
    assert await kept(runtime) == []


async def test_two_workers_at_once_do_it_once(runtime: Runtime, settings: Settings) -> None:
    """V15.4.1: neither fails, and nothing else goes."""
    now = datetime.now(UTC)
    async with instance(settings) as second:
        (young,) = await add_events(runtime, now - timedelta(days=364))
        await add_events(runtime, *[now - timedelta(days=366, seconds=i) for i in range(BATCH + 10)])
        await asyncio.gather(*(PURGE_AUDIT.run(worker) for worker in (runtime, second.runtime) * 2))
    assert await kept(runtime) == [young]


async def test_a_server_does_so_soon_after_it_started(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one of the server's own jobs."""
    monkeypatch.setattr(periodic, "SETTLING_SECONDS", 0.0)
    await add_events(runtime, datetime.now(UTC) - timedelta(days=366))
    async with instance(settings):
        await eventually(partial(kept, runtime), [])
