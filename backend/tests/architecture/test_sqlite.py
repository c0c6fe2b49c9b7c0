"""The embedded database behaves like a real one: references hold, writers queue, readers never wait."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.identifiers import new_id
from app.config import Settings
from app.exceptions import ConflictError
from app.models import Session, User
from app.runtime import Runtime
from tests.accounts import CLIENT, Accounts
from tests.instances import instance
from tests.rows import add_users, count
from tests.statements import recorded_statements

pytestmark = pytest.mark.only("sqlite")


def engines(runtime: Runtime) -> list[AsyncEngine]:
    return [runtime.database.engine, runtime.database.reading]


@pytest.mark.parametrize(
    ("pragma", "value"), [("foreign_keys", 1), ("journal_mode", "wal"), ("busy_timeout", 5000), ("synchronous", 1)]
)
async def test_every_connection_is_prepared(runtime: Runtime, pragma: str, value: object) -> None:
    """V13.1.2, V13.1.3: each of them, because SQLite remembers most of this per connection."""
    for engine in engines(runtime):
        size = 1 if engine is runtime.database.engine else 4
        connections = [await engine.connect() for _ in range(size)]
        for connection in connections:
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value
            await connection.close()


@pytest.mark.settings(DATABASE_TIMEOUT_SECONDS=1.5)
async def test_the_patience_with_a_locked_file_is_a_setting(runtime: Runtime) -> None:
    """V13.1.3."""
    async with runtime.database.reading.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar_one() == 1500


async def test_a_session_of_nobody_is_refused(runtime: Runtime) -> None:
    """S05: references are checked, which SQLite does not do by itself."""
    now = datetime.now(UTC)
    stray = Session(
        user_id=new_id(),
        secret_digest=b"",
        created_at=now,
        authenticated_at=now,
        methods="pwd",
        refreshed_at=now,
        last_seen_at=now,
        idle_expires_at=now,
        expires_at=now,
    )
    with pytest.raises(ConflictError) as refused:
        await add(runtime, stray)
    assert "FOREIGN KEY" in str(refused.value.__cause__)
    assert await count(runtime, Session) == 0


async def add(runtime: Runtime, row: object) -> None:
    async with runtime.database.begin(CLIENT) as work:
        work.db.add(row)


async def test_a_users_sessions_go_with_the_user(accounts: Accounts, runtime: Runtime) -> None:
    """3.8-07, V7.4.2: the reference does it, not the code."""
    await accounts.signed_in()
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(text("DELETE FROM users"))
    assert await count(runtime, Session) == 0


async def test_a_unit_of_work_takes_the_write_lock_with_its_first_statement(runtime: Runtime) -> None:
    """V15.4.2: a transaction that begins by reading could not write any more once another one has written."""
    with recorded_statements(runtime) as statements:
        async with runtime.database.begin(CLIENT) as work:
            await work.db.execute(text("SELECT 1"))
            await work.db.execute(text("UPDATE roles SET rank = 0 WHERE name = 'user'"))
    assert statements == ["BEGIN IMMEDIATE", "SELECT 1", "UPDATE roles SET rank = 0 WHERE name = 'user'"]


async def test_a_reader_begins_no_transaction(runtime: Runtime) -> None:
    """S80: what only looks holds nothing up."""
    with recorded_statements(runtime) as statements:
        await runtime.database.read.all(text("SELECT 1"))
        await runtime.database.read.first(text("SELECT 2"))
    assert statements == ["SELECT 1", "SELECT 2"]


async def test_a_unit_of_work_without_a_statement_asks_nothing(runtime: Runtime) -> None:
    with recorded_statements(runtime) as statements:
        async with runtime.database.begin(CLIENT):
            pass
    assert statements == []


async def test_readers_go_on_while_somebody_writes(runtime: Runtime) -> None:
    """3.9-01, S78: and they see what was committed, never what is half written."""
    [user_id] = await add_users(runtime, 1)
    async with runtime.database.begin(CLIENT) as work:
        await work.db.execute(text("DELETE FROM users"))
        assert await count(runtime, User, User.id == user_id) == 1
    assert await count(runtime, User) == 0


async def test_writers_of_two_workers_wait_for_each_other(settings: Settings) -> None:
    """V15.4.2, S33: two processes, forty writers at once, and none is told that the database is locked."""
    async with instance(settings) as one, instance(settings) as two:
        await asyncio.gather(*(add_users(worker.runtime, 1) for worker in (one, two) for _ in range(20)))
        assert await count(one.runtime, User) == await count(two.runtime, User) == 40
