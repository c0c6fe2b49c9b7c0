"""An administrator who is disabled while their own change waits for its turn does not get it any more."""

import asyncio

import httpx2
import pytest
from sqlalchemy import select, text

from app.models.role import ADMINISTRATOR, Role
from app.runtime import Runtime
from tests.accounts import Accounts, Person

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_disabled_administrator_s_waiting_change_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-01, 3.5-02, V8.3.2: what counts is the right at the moment of the change, not of the request."""
    first, second, friend = [await accounts.administrator(), await accounts.administrator(), await accounts.signed_in()]
    async with runtime.database.engine.begin() as holder:
        await holder.execute(select(Role.name).where(Role.name == ADMINISTRATOR).with_for_update())
        disabling = await queued(runtime, first, second, {"is_active": False}, place=1)
        promoting = await queued(runtime, second, friend, {"role": "admin"}, place=2)
        avenging = await queued(runtime, second, first, {"is_active": False}, place=3)
    assert (await disabling).status_code == 200
    for late in (await promoting, await avenging):
        assert (late.status_code, late.json()["code"], late.json()["cause"]) == (401, "SESSION_ENDED", "user_disabled")
    assert (await first.get(f"/users/{friend.id}")).json()["role"] == "user"


@pytest.mark.only("postgresql")
@pytest.mark.settings(DATABASE_POOL_SIZE=10)
async def test_a_demoted_administrator_s_waiting_change_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-01, V8.3.2"""
    first, second, friend = [await accounts.administrator(), await accounts.administrator(), await accounts.signed_in()]
    async with runtime.database.engine.begin() as holder:
        await holder.execute(select(Role.name).where(Role.name == ADMINISTRATOR).with_for_update())
        demoting = await queued(runtime, first, second, {"role": "user"}, place=1)
        promoting = await queued(runtime, second, friend, {"role": "admin"}, place=2)
    assert (await demoting).status_code == 200
    late = await promoting
    assert (late.status_code, late.json()["code"]) == (403, "PERMISSION_DENIED")


async def queued(
    runtime: Runtime, actor: Person, target: Person, change: dict[str, object], *, place: int
) -> asyncio.Task[httpx2.Response]:
    """Send a change and return once it waits for the lock, behind those that wait already."""
    task = asyncio.create_task(actor.patch(f"/users/{target.id}", json=change))
    for _ in range(500):
        row = await runtime.database.read.first(WAITING)
        if row is not None and row[0] >= place:
            return task
        await asyncio.sleep(0.01)
    raise AssertionError("the change does not wait")
